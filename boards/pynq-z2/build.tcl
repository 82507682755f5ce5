# SPDX-License-Identifier: Apache-2.0
# Makes the overlay of the PYNQ-Z2: FOLDER/tickgate.bit and FOLDER/tickgate.hwh.
#
#   vivado -mode batch -source boards/pynq-z2/build.tcl -tclargs FOLDER [MHZ [JOBS]]
#
# FOLDER is filled by `python scripts/vendor.py pynq-z2 --prepare`. MHZ is the clock of the fabric:
# 1000 divided by whole numbers. Nothing is written when timing fails or a net is not routed.

source [file join [file dirname [file normalize [info script]]] package_ip.tcl]

set here [file dirname [file normalize [info script]]]
set mhz [expr {[llength $argv] > 1 ? [lindex $argv 1] : 62.5}]
set jobs [expr {[llength $argv] > 2 ? [lindex $argv 2] : 2}]

create_project -force tickgate [file join $folder project] -part $part
set_property ip_repo_paths [file join $folder ip] [current_project]
update_ip_catalog -rebuild
create_bd_design tickgate

# The processing system. When Linux loads an overlay, only the fabric is configured: DDR, MIO, PLLs
# and peripherals stay as the boot loader of the image has set them. What has to match is what
# crosses between the two: which AXI ports are there, how wide they are, their clocks and reset.
# One thing more is taken from here: pynq reads the dividers of FCLK0 from the .hwh and writes them
# into the running system. So the crystal and the IO PLL must be those of the board, and Vivado
# derives the PLL from the peripherals: UART 0, SD, Ethernet, USB and QSPI are therefore stated
# as the board boots them, and the result is checked below.
create_bd_cell -type ip -vlnv xilinx.com:ip:processing_system7:5.5 ps7_0
set ps [get_bd_cells ps7_0]
set_property -dict [list \
    CONFIG.PCW_CRYSTAL_PERIPHERAL_FREQMHZ {50} \
    CONFIG.PCW_APU_PERIPHERAL_FREQMHZ {650} \
    CONFIG.PCW_PRESET_BANK0_VOLTAGE {LVCMOS 3.3V} \
    CONFIG.PCW_PRESET_BANK1_VOLTAGE {LVCMOS 1.8V} \
    CONFIG.PCW_UIPARAM_DDR_PARTNO {MT41J256M16 RE-125} \
    CONFIG.PCW_UIPARAM_DDR_FREQ_MHZ {525} \
    CONFIG.PCW_UIPARAM_DDR_BUS_WIDTH {16 Bit} \
    CONFIG.PCW_UIPARAM_DDR_BOARD_DELAY0 {0.223} \
    CONFIG.PCW_UIPARAM_DDR_BOARD_DELAY1 {0.212} \
    CONFIG.PCW_UIPARAM_DDR_BOARD_DELAY2 {0.085} \
    CONFIG.PCW_UIPARAM_DDR_BOARD_DELAY3 {0.092} \
    CONFIG.PCW_UIPARAM_DDR_DQS_TO_CLK_DELAY_0 {0.040} \
    CONFIG.PCW_UIPARAM_DDR_DQS_TO_CLK_DELAY_1 {0.058} \
    CONFIG.PCW_UIPARAM_DDR_DQS_TO_CLK_DELAY_2 {-0.009} \
    CONFIG.PCW_UIPARAM_DDR_DQS_TO_CLK_DELAY_3 {-0.033} \
    CONFIG.PCW_QSPI_PERIPHERAL_ENABLE {1} \
    CONFIG.PCW_QSPI_GRP_SINGLE_SS_ENABLE {1} \
    CONFIG.PCW_QSPI_GRP_FBCLK_ENABLE {1} \
    CONFIG.PCW_ENET0_PERIPHERAL_ENABLE {1} \
    CONFIG.PCW_ENET0_ENET0_IO {MIO 16 .. 27} \
    CONFIG.PCW_ENET0_GRP_MDIO_ENABLE {1} \
    CONFIG.PCW_ENET0_GRP_MDIO_IO {MIO 52 .. 53} \
    CONFIG.PCW_ENET0_RESET_ENABLE {1} \
    CONFIG.PCW_ENET0_RESET_IO {MIO 9} \
    CONFIG.PCW_SD0_PERIPHERAL_ENABLE {1} \
    CONFIG.PCW_SD0_SD0_IO {MIO 40 .. 45} \
    CONFIG.PCW_SD0_GRP_CD_ENABLE {1} \
    CONFIG.PCW_SD0_GRP_CD_IO {MIO 47} \
    CONFIG.PCW_SDIO_PERIPHERAL_FREQMHZ {50} \
    CONFIG.PCW_UART0_PERIPHERAL_ENABLE {1} \
    CONFIG.PCW_UART0_UART0_IO {MIO 14 .. 15} \
    CONFIG.PCW_UART_PERIPHERAL_FREQMHZ {100} \
    CONFIG.PCW_USB0_PERIPHERAL_ENABLE {1} \
    CONFIG.PCW_USB0_USB0_IO {MIO 28 .. 39} \
    CONFIG.PCW_USB0_RESET_ENABLE {1} \
    CONFIG.PCW_USB0_RESET_IO {MIO 46} \
    CONFIG.PCW_GPIO_MIO_GPIO_ENABLE {1} \
    CONFIG.PCW_GPIO_MIO_GPIO_IO {MIO} \
    CONFIG.PCW_EN_CLK0_PORT {1} \
    CONFIG.PCW_EN_RST0_PORT {1} \
    CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ $mhz \
    CONFIG.PCW_USE_M_AXI_GP0 {1} \
    CONFIG.PCW_USE_S_AXI_HP0 {1} \
    CONFIG.PCW_S_AXI_HP0_DATA_WIDTH {64} \
    CONFIG.PCW_USE_FABRIC_INTERRUPT {0} \
] $ps
expect "multiplier of the IO PLL" 20 [get_property CONFIG.PCW_IOPLL_CTRL_FBDIV $ps]
set actual_mhz [get_property CONFIG.PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ $ps]
if {abs($actual_mhz - $mhz) > 0.001} {
    fail "FCLK0: expected $mhz MHz, was $actual_mhz; 1000 MHz divided by whole numbers is possible"
}

# Transfers of up to 64 MB; whole beats only, so nothing has to be shifted (no DRE).
create_bd_cell -type ip -vlnv xilinx.com:ip:axi_dma:7.1 axi_dma_0
set dma [get_bd_cells axi_dma_0]
set_property -dict [list \
    CONFIG.c_include_sg {0} \
    CONFIG.c_sg_include_stscntrl_strm {0} \
    CONFIG.c_sg_length_width {26} \
    CONFIG.c_include_mm2s {1} \
    CONFIG.c_include_mm2s_dre {0} \
    CONFIG.c_m_axi_mm2s_data_width {64} \
    CONFIG.c_m_axis_mm2s_tdata_width {64} \
    CONFIG.c_include_s2mm {1} \
    CONFIG.c_include_s2mm_dre {0} \
    CONFIG.c_m_axi_s2mm_data_width {64} \
] $dma

create_bd_cell -type ip -vlnv $vlnv tickgate_0
create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset:5.0 reset_0
create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect:1.0 axi_control
set_property -dict [list CONFIG.NUM_SI {1} CONFIG.NUM_MI {2}] [get_bd_cells axi_control]
create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect:1.0 axi_memory
set_property -dict [list CONFIG.NUM_SI {2} CONFIG.NUM_MI {1}] [get_bd_cells axi_memory]

create_bd_intf_port -mode Master -vlnv xilinx.com:interface:ddrx_rtl:1.0 DDR
create_bd_intf_port -mode Master -vlnv xilinx.com:display_processing_system7:fixedio_rtl:1.0 FIXED_IO
create_bd_port -dir I kill_pin
create_bd_port -dir O -from 3 -to 0 lamps
foreach name {DDR FIXED_IO} {
    connect_bd_intf_net [get_bd_intf_ports $name] [get_bd_intf_pins ps7_0/$name]
}
foreach name {kill_pin lamps} {
    connect_bd_net [get_bd_ports $name] [get_bd_pins tickgate_0/$name]
}
foreach {from to} {
    ps7_0/M_AXI_GP0        axi_control/S00_AXI
    axi_control/M00_AXI    tickgate_0/s_axi
    axi_control/M01_AXI    axi_dma_0/S_AXI_LITE
    axi_dma_0/M_AXIS_MM2S  tickgate_0/s_axis
    tickgate_0/m_axis      axi_dma_0/S_AXIS_S2MM
    axi_dma_0/M_AXI_MM2S   axi_memory/S00_AXI
    axi_dma_0/M_AXI_S2MM   axi_memory/S01_AXI
    axi_memory/M00_AXI     ps7_0/S_AXI_HP0
} {
    connect_bd_intf_net [get_bd_intf_pins $from] [get_bd_intf_pins $to]
}
foreach pin {
    ps7_0/M_AXI_GP0_ACLK
    ps7_0/S_AXI_HP0_ACLK
    reset_0/slowest_sync_clk
    axi_control/aclk
    axi_memory/aclk
    axi_dma_0/s_axi_lite_aclk
    axi_dma_0/m_axi_mm2s_aclk
    axi_dma_0/m_axi_s2mm_aclk
    tickgate_0/aclk
} {
    connect_bd_net [get_bd_pins ps7_0/FCLK_CLK0] [get_bd_pins $pin]
}
connect_bd_net [get_bd_pins ps7_0/FCLK_RESET0_N] [get_bd_pins reset_0/ext_reset_in]
foreach pin {axi_control/aresetn axi_memory/aresetn} {
    connect_bd_net [get_bd_pins reset_0/interconnect_aresetn] [get_bd_pins $pin]
}
foreach pin {axi_dma_0/axi_resetn tickgate_0/aresetn} {
    connect_bd_net [get_bd_pins reset_0/peripheral_aresetn] [get_bd_pins $pin]
}

foreach {offset range space segment} {
    0x43C00000 0x00010000 ps7_0/Data          tickgate_0/s_axi/*
    0x40400000 0x00010000 ps7_0/Data          axi_dma_0/S_AXI_LITE/Reg
    0x00000000 0x20000000 axi_dma_0/Data_MM2S ps7_0/S_AXI_HP0/HP0_DDR_LOWOCM
    0x00000000 0x20000000 axi_dma_0/Data_S2MM ps7_0/S_AXI_HP0/HP0_DDR_LOWOCM
} {
    assign_bd_address -offset $offset -range $range \
        -target_address_space [get_bd_addr_spaces $space] [get_bd_addr_segs $segment] -force
}
validate_bd_design
foreach {name expected} {c_include_sg 0 c_sg_length_width 26 c_s_axis_s2mm_tdata_width 64} {
    expect "axi_dma_0 $name" $expected [get_property CONFIG.$name $dma]
}
save_bd_design

set design [get_files tickgate.bd]
generate_target all $design
add_files -norecurse [make_wrapper -files $design -top]
add_files -fileset constrs_1 -norecurse [file join $here pins.xdc]
set_property top tickgate_wrapper [current_fileset]
update_compile_order -fileset sources_1

foreach run {synth_1 impl_1} {
    launch_runs $run -jobs $jobs
    wait_on_run $run
    expect "progress of $run" 100% [get_property PROGRESS [get_runs $run]]
}
open_run impl_1
report_timing_summary -delay_type min_max -max_paths 10 -file [file join $folder timing.rpt]
report_utilization -file [file join $folder utilization.rpt]
report_route_status -file [file join $folder route.rpt]

set numbers {}
foreach {name property} {setup WNS hold WHS pulse TPWS} {
    set slack [get_property -quiet STATS.$property [get_runs impl_1]]
    # Of pulse widths there may be nothing to tell.
    if {$name eq "pulse" && $slack eq ""} {
        continue
    }
    if {![string is double -strict $slack] || $slack < 0} {
        fail "worst $name slack: expected 0 ns or more, was [expr {$slack eq "" ? "nothing" : $slack}]"
    }
    lappend numbers ${name}_slack_ns $slack
}
set status [report_route_status -return_string]
foreach {name label} {routable {# of routable nets} routed {# of fully routed nets}
                      wrong {# of nets with routing errors}} {
    if {![regexp "$label\[^:\]*:\\s*(\\d+)" $status line count($name)]} {
        fail "route status: expected a line $label, was none"
    }
}
expect "routed nets" $count(routable) $count(routed)
expect "nets with routing errors" 0 $count(wrong)

set handoff [file join $folder project tickgate.gen sources_1 bd tickgate hw_handoff tickgate.hwh]
if {![file exists $handoff]} {
    fail "$handoff: expected the hardware handoff, was not made"
}
write_bitstream -force [file join $folder tickgate.bit]
file copy -force $handoff [file join $folder tickgate.hwh]
set out [open [file join $folder numbers.txt] w]
puts $out "vivado [version -short]"
puts $out "fabric_clock_mhz $actual_mhz"
foreach {name value} $numbers {
    puts $out "$name $value"
}
close $out
close_project
