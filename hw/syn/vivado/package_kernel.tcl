# Not run here: no Vivado was at hand. Packages the kernel as an RTL kernel for Vitis: IP and .xo file.
#
#   vivado -mode batch -source hw/syn/vivado/package_kernel.tcl -tclargs z020 build/vivado
#
# Vitis wants ap_clk, ap_rst_n, s_axi_control and one complete AXI bus a port; msq_kernel has flat buses without what a
# master never drives. kernel_wrapper.py writes the module between, and kernel.xml.

set here [file dirname [file normalize [info script]]]
source $here/sources.tcl
lassign $argv name folder
set configuration [msq_configuration $name]
file mkdir $folder
set folder [file normalize $folder]
exec python3 $here/kernel_wrapper.py $name $folder

create_project -force msq_package $folder/package -part $msq_part([dict get $configuration part])
msq_read_sources $folder
add_files -norecurse $folder/msq.sv
set_property file_type SystemVerilog [get_files msq.sv]
set_property top msq [current_fileset]
update_compile_order -fileset sources_1

ipx::package_project -root_dir $folder/ip -vendor msq -library kernel -taxonomy /KernelIP -import_files
set core [ipx::current_core]
set_property sdx_kernel true $core
set_property sdx_kernel_type rtl $core
for {set p 0} {$p < [dict get $configuration PORTS]} {incr p} {
  ipx::associate_bus_interfaces -busif m_axi_gmem$p -clock ap_clk $core
}
ipx::associate_bus_interfaces -busif s_axi_control -clock ap_clk $core
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity -kernel $core
ipx::save_core $core

file delete -force $folder/msq.xo
package_xo -xo_path $folder/msq.xo -kernel_name msq_kernel -ip_directory $folder/ip -kernel_xml $folder/kernel.xml \
  -ctrl_protocol ap_ctrl_hs
