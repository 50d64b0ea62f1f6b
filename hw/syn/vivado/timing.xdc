# Not run here: no Vivado was at hand. Constraints of the kernel out of context: 150 MHz, half a period outside.
create_clock -name clk -period 6.667 [get_ports clk_i]
set_input_delay -clock clk 3.3 [get_ports -filter {DIRECTION == IN && NAME != clk_i}]
set_output_delay -clock clk 3.3 [get_ports -filter {DIRECTION == OUT}]
