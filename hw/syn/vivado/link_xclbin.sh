#!/usr/bin/env bash
# Not run here: no Vitis was at hand. Links the packaged kernel with a platform into an .xclbin.
#   hw/syn/vivado/link_xclbin.sh PLATFORM FOLDER PORTS
# PLATFORM is a Zynq-7000 platform (.xpfm); FOLDER holds the msq.xo of package_kernel.tcl. AXI port p gets port HPp.
set -euo pipefail

if [[ $# -ne 3 ]]; then
  echo "usage: $0 PLATFORM FOLDER PORTS" >&2
  exit 2
fi
platform=$1 folder=$2 ports=$3

{
  echo "[connectivity]"
  echo "nk=msq_kernel:1:msq_kernel_1"
  for ((p = 0; p < ports; p++)); do
    echo "sp=msq_kernel_1.m_axi_gmem$p:HP$p"
  done
  echo "[clock]"
  echo "freqHz=150000000:msq_kernel_1.ap_clk"
} > "$folder/link.cfg"

v++ --link --target hw --platform "$platform" --config "$folder/link.cfg" --temp_dir "$folder/link" \
  --report_dir "$folder/reports" --save-temps --output "$folder/msq.xsa" "$folder/msq.xo"
v++ --package --target hw --platform "$platform" --package.out_dir "$folder/package_out" --package.no_image \
  --output "$folder/msq.xclbin" "$folder/msq.xsa"
