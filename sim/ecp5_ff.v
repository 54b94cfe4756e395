// A flip-flop that says the same as others, to simulate and to lint it with. Synthesis takes bnnhw_carry.vlib in place of
// this file, and merges it with none of them.
module BNNHW_FLIP_FLOP(input CLK, D, output reg Q);
  initial Q = 0;
  always @(posedge CLK) Q <= D;
endmodule
