#!/bin/sh
# Proves the assertions of one module: prove.sh TOP "SAT OPTIONS" SOURCE... Xilinx primitives are Yosys's own models.
# Succeeds when there are assertions and the solver shows that none can fail.
set -eu
top=$1
options=$2
shift 2
yosys -p "read_verilog -sv -formal $*; read_verilog +/xilinx/cells_sim.v; hierarchy -check -top $top; proc; flatten;
  opt_clean; select -assert-min 1 t:\$assert; sat $options -prove-asserts -verify $top"
