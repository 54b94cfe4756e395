// The cells that counts and accumulators for ECP5 are made of, to simulate and to lint them with. Synthesis takes
// bnnhw_carry.vlib in place of this file, and makes a CCU2C of each.

// Two halves, with carries on both sides. Each is a table of four inputs, whose output is P and whose lowest quarter is G:
// a CCU2C whose INJECT1 is "NO".
module BNNHW_CARRY_MIDDLE #(parameter [15:0] INIT0 = 16'h0000, INIT1 = 16'h0000) (
  input A0, B0, C0, D0, A1, B1, C1, D1, CIN, output S0, S1, COUT
);
  wire p0 = INIT0[{D0, C0, B0, A0}], p1 = INIT1[{D1, C1, B1, A1}];
  wire between = p0 ? CIN : INIT0[{2'b00, B0, A0}];
  assign S0 = p0 ^ CIN;
  assign S1 = p1 ^ between;
  assign COUT = p1 ? between : INIT1[{2'b00, B1, A1}];
endmodule

// The first of a chain lets no carry in: P of its first half is 0 and S0 is not read, so that any CIN will do.
module BNNHW_CARRY_FIRST #(parameter [15:0] INIT0 = 16'h0000, INIT1 = 16'h0000) (
  input A0, B0, C0, D0, A1, B1, C1, D1, output S0, S1, COUT
);
  BNNHW_CARRY_MIDDLE #(.INIT0(INIT0), .INIT1(INIT1)) cell_(
    .A0(A0), .B0(B0), .C0(C0), .D0(D0), .A1(A1), .B1(B1), .C1(C1), .D1(D1), .CIN(1'b0), .S0(S0), .S1(S1), .COUT(COUT));
endmodule

// The last of a chain gives none.
module BNNHW_CARRY_LAST #(parameter [15:0] INIT0 = 16'h0000, INIT1 = 16'h0000) (
  input A0, B0, C0, D0, A1, B1, C1, D1, CIN, output S0, S1
);
  BNNHW_CARRY_MIDDLE #(.INIT0(INIT0), .INIT1(INIT1)) cell_(
    .A0(A0), .B0(B0), .C0(C0), .D0(D0), .A1(A1), .B1(B1), .C1(C1), .D1(D1), .CIN(CIN), .S0(S0), .S1(S1), .COUT());
endmodule

// A chain of one cell.
module BNNHW_CARRY_ONLY #(parameter [15:0] INIT0 = 16'h0000, INIT1 = 16'h0000) (
  input A0, B0, C0, D0, A1, B1, C1, D1, output S0, S1
);
  BNNHW_CARRY_MIDDLE #(.INIT0(INIT0), .INIT1(INIT1)) cell_(
    .A0(A0), .B0(B0), .C0(C0), .D0(D0), .A1(A1), .B1(B1), .C1(C1), .D1(D1), .CIN(1'b0), .S0(S0), .S1(S1), .COUT());
endmodule
