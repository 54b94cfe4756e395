// The table that counters of pairs for iCE40 are made of, to simulate and to lint them with. Synthesis knows it.
module SB_LUT4(input I0, I1, I2, I3, output O);
  parameter [15:0] LUT_INIT = 16'h0000;
  assign O = LUT_INIT[{I3, I2, I1, I0}];
endmodule
