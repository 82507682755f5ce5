# SPDX-License-Identifier: Apache-2.0
# Packages the fabric as IP tickgate.io:tickgate:tickgate_axi:1.0, every register declared.
#
#   vivado -mode batch -source boards/pynq-z2/package_ip.tcl -tclargs FOLDER
#
# FOLDER holds tickgate_axi.v and registers.tcl, from `python scripts/vendor.py pynq-z2 --prepare`;
# the IP comes into FOLDER/ip. build.tcl begins with this file.

set release 2022.1
set part xc7z020clg400-1
set vlnv tickgate.io:tickgate:tickgate_axi:1.0

proc fail {text} {
    error "ERROR: $text"
}

proc expect {what expected actual} {
    if {$actual ne $expected} {
        fail "$what: expected $expected, was [expr {$actual eq "" ? "nothing" : $actual}]"
    }
}

set any_release [expr {[info exists ::env(TICKGATE_ANY_VIVADO)] && $::env(TICKGATE_ANY_VIVADO) eq "1"}]
if {![string match "$release*" [version -short]] && !$any_release} {
    fail "Vivado: expected version $release, was [version -short]; TICKGATE_ANY_VIVADO=1 takes any"
}
if {[llength $argv] < 1} {
    fail "arguments: expected a folder, was nothing"
}
set folder [file normalize [lindex $argv 0]]
foreach name {tickgate_axi.v registers.tcl} {
    if {![file exists [file join $folder $name]]} {
        fail "[file join $folder $name]: expected a file; python scripts/vendor.py pynq-z2 --prepare"
    }
}

file delete -force [file join $folder ip] [file join $folder package]
create_project -force package [file join $folder package] -part $part
add_files -norecurse [file join $folder tickgate_axi.v]
set_property top tickgate_axi [current_fileset]
update_compile_order -fileset sources_1
ipx::package_project -root_dir [file join $folder ip] -vendor tickgate.io -library tickgate \
    -taxonomy /UserIP -import_files -set_current true -force
set core [ipx::current_core]
set_property version 1.0 $core
set_property display_name tickgate $core
set_property description {Order book, signals and risk gate behind AXI} $core
foreach {name wanted} {vendor tickgate.io library tickgate name tickgate_axi version 1.0} {
    expect "$name of the IP" $wanted [get_property $name $core]
}

# The packager finds the interfaces by the names of the pins.
foreach {pin kind} {aclk clock_rtl aresetn reset_rtl} {
    if {[llength [ipx::get_bus_interfaces -quiet $pin -of_objects $core]] == 0} {
        ipx::infer_bus_interface $pin xilinx.com:signal:$kind:1.0 $core
    }
}
foreach bus {s_axi s_axis m_axis} {
    expect "interface $bus" 1 [llength [ipx::get_bus_interfaces -quiet $bus -of_objects $core]]
    ipx::associate_bus_interfaces -busif $bus -clock aclk $core
}
ipx::associate_bus_interfaces -clock aclk -reset aresetn $core

if {[llength [ipx::get_memory_maps -quiet s_axi -of_objects $core]] == 0} {
    ipx::add_memory_map s_axi $core
}
set map [ipx::get_memory_maps s_axi -of_objects $core]
if {[llength [ipx::get_address_blocks -quiet -of_objects $map]] == 0} {
    ipx::add_address_block reg0 $map
}
set block [ipx::get_address_blocks -of_objects $map]
expect "address blocks of s_axi" 1 [llength $block]
set_property range 65536 $block
set_property width 32 $block
set_property usage register $block
set_property slave_memory_map_ref s_axi [ipx::get_bus_interfaces s_axi -of_objects $core]
source [file join $folder registers.tcl]

ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
close_project
