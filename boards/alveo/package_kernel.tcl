# SPDX-License-Identifier: Apache-2.0
# Packages the fabric as an RTL kernel that XRT manages: FOLDER/tickgate_kernel.xo.
#
#   vivado -mode batch -source boards/alveo/package_kernel.tcl -tclargs FOLDER PART
#
# FOLDER holds tickgate_kernel.v, registers.tcl and kernel.xml, from
# `python scripts/vendor.py u50 --prepare`.

set release 2022.1

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
expect "number of arguments" 2 [llength $argv]
set folder [file normalize [lindex $argv 0]]
set part [lindex $argv 1]
foreach name {tickgate_kernel.v registers.tcl kernel.xml} {
    if {![file exists [file join $folder $name]]} {
        fail "[file join $folder $name]: expected a file; python scripts/vendor.py u50 --prepare"
    }
}

file delete -force [file join $folder ip] [file join $folder package]
create_project -force package [file join $folder package] -part $part
add_files -norecurse [file join $folder tickgate_kernel.v]
set_property top tickgate_kernel [current_fileset]
update_compile_order -fileset sources_1
ipx::package_project -root_dir [file join $folder ip] -vendor tickgate.io -library tickgate \
    -taxonomy /KernelIP -import_files -set_current true -force
set core [ipx::current_core]
set_property version 1.0 $core
set_property display_name tickgate $core
set_property description {Order book, signals and risk gate as a kernel} $core
foreach {name wanted} {vendor tickgate.io library tickgate name tickgate_kernel version 1.0} {
    expect "$name of the IP" $wanted [get_property $name $core]
}

# The packager finds the interfaces by the names of the pins; v++ wants every pin in one.
foreach {pin kind} {ap_clk clock_rtl ap_rst_n reset_rtl interrupt interrupt_rtl} {
    if {[llength [ipx::get_bus_interfaces -quiet $pin -of_objects $core]] == 0} {
        ipx::infer_bus_interface $pin xilinx.com:signal:$kind:1.0 $core
    }
}
foreach bus {s_axi m_axi_gmem} {
    expect "interface $bus" 1 [llength [ipx::get_bus_interfaces -quiet $bus -of_objects $core]]
}
# v++ knows the control port by this name only.
set_property name s_axi_control [ipx::get_bus_interfaces s_axi -of_objects $core]
if {[llength [ipx::get_memory_maps -quiet s_axi -of_objects $core]] == 0} {
    ipx::add_memory_map s_axi $core
}
set_property name s_axi_control [ipx::get_memory_maps s_axi -of_objects $core]
set map [ipx::get_memory_maps s_axi_control -of_objects $core]
if {[llength [ipx::get_address_blocks -quiet -of_objects $map]] == 0} {
    ipx::add_address_block reg0 $map
}
set block [ipx::get_address_blocks -of_objects $map]
expect "address blocks of s_axi_control" 1 [llength $block]
set_property range 65536 $block
set_property width 32 $block
set_property usage register $block
set control [ipx::get_bus_interfaces s_axi_control -of_objects $core]
set_property slave_memory_map_ref s_axi_control $control
source [file join $folder registers.tcl]

set memory [ipx::get_bus_interfaces m_axi_gmem -of_objects $core]
foreach {name value} {SUPPORTS_NARROW_BURST 0 MAX_BURST_LENGTH 16} {
    set_property value $value [ipx::add_bus_parameter -quiet $name $memory]
}
foreach bus {s_axi_control m_axi_gmem} {
    ipx::associate_bus_interfaces -busif $bus -clock ap_clk $core
}
ipx::associate_bus_interfaces -clock ap_clk -reset ap_rst_n $core
# The packager has its own list, with the name that the control port had before.
set clock [ipx::get_bus_interfaces ap_clk -of_objects $core]
set_property value s_axi_control:m_axi_gmem \
    [ipx::get_bus_parameters ASSOCIATED_BUSIF -of_objects $clock]

set_property sdx_kernel true $core
set_property sdx_kernel_type rtl $core
set_property vitis_drc {ctrl_protocol ap_ctrl_chain} $core
set_property ipi_drc {ignore_freq_hz true} $core
set_property supported_families {} $core
set_property auto_family_support_level level_2 $core
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity -kernel $core
ipx::save_core $core
close_project

# kernel.xml names the protocol itself; the option -ctrl_protocol is for kernels without one.
package_xo -force -xo_path [file join $folder tickgate_kernel.xo] -kernel_name tickgate_kernel \
    -ip_directory [file join $folder ip] -kernel_xml [file join $folder kernel.xml]
