// Where the lanes of a tile stand: which of its O = F + S positions are DSP lanes, which are LUT lanes.
//
// Position l is the beat of a row of weights or parameters that the lane takes, and the output channel that it gives.
// Every 16 positions have the same kinds of lanes, the DSP lanes first, if F and O allow that: an output channel may then
// be computed in any group of 16. Otherwise the first F positions are DSP lanes.
package msq_lane_pkg;
  // Positions after which the kinds of lanes come again.
  function automatic int period(int f, int s);
    period = (f + s) % 16 == 0 && 16 * f % (f + s) == 0 ? 16 : f + s;
  endfunction

  // DSP lanes among them.
  function automatic int period_dsp(int f, int s);
    period_dsp = period(f, s) * f / (f + s);
  endfunction

  function automatic int is_dsp(int f, int s, int position);
    is_dsp = position % period(f, s) < period_dsp(f, s) ? 1 : 0;
  endfunction

  // DSP lanes among the positions before one.
  function automatic int dsp_before(int f, int s, int position);
    dsp_before = position / period(f, s) * period_dsp(f, s) +
                 (position % period(f, s) < period_dsp(f, s) ? position % period(f, s) : period_dsp(f, s));
  endfunction

  // Of DSP lane 0..F-1, of LUT lane 0..S-1.
  function automatic int dsp_position(int f, int s, int lane);
    dsp_position = lane / period_dsp(f, s) * period(f, s) + lane % period_dsp(f, s);
  endfunction

  function automatic int lut_position(int f, int s, int lane);
    lut_position = lane / (period(f, s) - period_dsp(f, s)) * period(f, s) + period_dsp(f, s) +
                   lane % (period(f, s) - period_dsp(f, s));
  endfunction
endpackage
