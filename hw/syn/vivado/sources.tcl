# Not run here: no Vivado was at hand. Reads the kernel's sources and a configuration; sourced by the scripts beside it.
#
# msq_configuration NAME: dict of hw/regs/configurations.json with its parameters and part.
# msq_read_sources FOLDER: generates the packages there and adds all RTL to the project.

set msq_root [file normalize [file join [file dirname [info script]] .. .. ..]]
array set msq_part {xc7z020 xc7z020clg484-1 xc7z045 xc7z045ffg900-2}

proc msq_configuration {name} {
  global msq_root
  # Python reads the JSON: Tcl brings no parser.
  set program {
import json, sys
for c in json.load(open(sys.argv[1]))["configurations"]:
    if c["name"] == sys.argv[2]:
        print(*(f"{k} {v}" for k, v in c.items() if k.isupper() or k == "part"))
}
  set found [exec python3 -c $program $msq_root/hw/regs/configurations.json $name]
  if {$found eq ""} { error "no configuration $name in hw/regs/configurations.json" }
  return $found
}

# P=4 F=12 ..., as synth_design's -generic takes them.
proc msq_generics {configuration} {
  set generics [list XC7_PRIMS=1]
  dict for {key value} $configuration {
    if {$key ne "part"} { lappend generics $key=$value }
  }
  return $generics
}

proc msq_read_sources {folder} {
  global msq_root
  exec python3 $msq_root/hw/regs/generate.py --out $folder/generated
  set packages [concat [lsort [glob $folder/generated/hw/*.sv]] [lsort [glob $msq_root/hw/rtl/*_pkg.sv]]]
  set rtl {}
  foreach file [lsort [glob $msq_root/hw/rtl/*.sv]] {
    # Models of primitives are for simulation.
    set name [file tail $file]
    if {![string match xc7_* $name] && ![string match *_pkg.sv $name]} { lappend rtl $file }
  }
  add_files -norecurse [concat $packages $rtl]
  set_property file_type SystemVerilog [get_files *.sv]
}
