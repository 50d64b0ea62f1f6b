# Not run here: no Vivado was at hand. Implements the kernel out of context and reports timing and utilization.
#
#   vivado -mode batch -source hw/syn/vivado/implement.tcl -tclargs z020 build/vivado
#
# Leaves post_route.dcp, timing.rpt and utilization.rpt in the folder; fails if timing is not met at 150 MHz.

set here [file dirname [file normalize [info script]]]
source $here/sources.tcl
lassign $argv name folder
set configuration [msq_configuration $name]
file mkdir $folder

create_project -in_memory -part $msq_part([dict get $configuration part])
msq_read_sources $folder
read_xdc -mode out_of_context $here/timing.xdc

synth_design -top msq_kernel -mode out_of_context -flatten_hierarchy rebuilt -generic [msq_generics $configuration]
opt_design
place_design
phys_opt_design
route_design
phys_opt_design

write_checkpoint -force $folder/post_route.dcp
report_utilization -hierarchical -hierarchical_depth 2 -file $folder/utilization.rpt
report_timing_summary -max_paths 20 -file $folder/timing.rpt

set period 6.667
set slack [get_property SLACK [get_timing_paths -delay_type max]]
puts "$name: worst slack $slack ns at 150 MHz, so [format %.1f [expr {1000.0 / ($period - $slack)}]] MHz"
if {$slack < 0} { error "timing is not met" }
