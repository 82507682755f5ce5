# SPDX-License-Identifier: Apache-2.0
# PYNQ-Z2: BTN0 kills; LD0 to LD3 are the lamps alive, valid, armed, killed.
set_property -dict {PACKAGE_PIN D19 IOSTANDARD LVCMOS33} [get_ports kill_pin]
set_property -dict {PACKAGE_PIN R14 IOSTANDARD LVCMOS33} [get_ports {lamps[0]}]
set_property -dict {PACKAGE_PIN P14 IOSTANDARD LVCMOS33} [get_ports {lamps[1]}]
set_property -dict {PACKAGE_PIN N16 IOSTANDARD LVCMOS33} [get_ports {lamps[2]}]
set_property -dict {PACKAGE_PIN M14 IOSTANDARD LVCMOS33} [get_ports {lamps[3]}]
# The button is taken into the clock by two registers, and nobody samples the lamps.
set_false_path -from [get_ports kill_pin]
set_false_path -to [get_ports {lamps[*]}]
