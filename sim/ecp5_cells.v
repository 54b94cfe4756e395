// Logic cells of ECP5, as their documents and Project Trellis describe them.

// A table of four inputs, chosen step by step, so that an input which is unknown and does not matter stays without effect.
module LUT4(input A, B, C, D, output Z);
  parameter [15:0] INIT = 0;
  wire [7:0] by_d = D ? INIT[15:8] : INIT[7:0];
  wire [3:0] by_c = C ? by_d[7:4] : by_d[3:0];
  wire [1:0] by_b = B ? by_c[3:2] : by_c[1:0];
  assign Z = A ? by_b[1] : by_b[0];
endmodule

module PFUMX(input ALUT, BLUT, C0, output Z);
  assign Z = C0 ? ALUT : BLUT;
endmodule

module L6MUX21(input D0, D1, SD, output Z);
  assign Z = SD ? D1 : D0;
endmodule

// Two tables whose outputs are P, and whose lower quarters are G, each with a carry behind it. INJECT1 takes the carry
// in for 0 in the sum and G for 0; it makes plain tables of the cell.
module CCU2C(input CIN, A0, B0, C0, D0, A1, B1, C1, D1, output S0, S1, COUT);
  parameter [15:0] INIT0 = 0, INIT1 = 0;
  parameter INJECT1_0 = "YES", INJECT1_1 = "YES";
  wire p0, p1, g0, g1;
  LUT4 #(.INIT(INIT0)) table0(.A(A0), .B(B0), .C(C0), .D(D0), .Z(p0));
  LUT4 #(.INIT(INIT1)) table1(.A(A1), .B(B1), .C(C1), .D(D1), .Z(p1));
  LUT4 #(.INIT({12'b0, INIT0[3:0]})) quarter0(.A(A0), .B(B0), .C(1'b0), .D(1'b0), .Z(g0));
  LUT4 #(.INIT({12'b0, INIT1[3:0]})) quarter1(.A(A1), .B(B1), .C(1'b0), .D(1'b0), .Z(g1));
  wire between = p0 ? CIN : INJECT1_0 == "YES" ? 1'b0 : g0;
  assign S0 = INJECT1_0 == "YES" ? p0 : p0 ^ CIN;
  assign S1 = INJECT1_1 == "YES" ? p1 : p1 ^ between;
  assign COUT = p1 ? between : INJECT1_1 == "YES" ? 1'b0 : g1;
endmodule

// A flip-flop. LSR wins over CE where it is synchronous, unless SRMODE says otherwise. It starts as LSR leaves it.
module TRELLIS_FF(input CLK, LSR, CE, DI, M, output reg Q);
  parameter GSR = "ENABLED", CLKMUX = "CLK", LSRMUX = "LSR", SRMODE = "LSR_OVER_CE", REGSET = "RESET";
  parameter [31:0] CEMUX = "1", LSRMODE = "LSR";
  wire clk = CLKMUX == "INV" ? ~CLK : CLK;
  wire lsr = LSRMUX == "INV" ? ~LSR : LSR;
  wire ce = CEMUX == "1" ? 1'b1 : CEMUX == "0" ? 1'b0 : CEMUX == "INV" ? ~CE : CE;
  wire level = LSRMODE == "PRLD" ? M : REGSET == "SET";
  initial Q = REGSET == "SET";
  generate
    if (SRMODE == "ASYNC") begin
      always @(posedge clk or posedge lsr)
        if (lsr) Q <= level;
        else if (ce) Q <= DI;
    end else begin
      always @(posedge clk)
        if (lsr) Q <= level;
        else if (ce) Q <= DI;
    end
  endgenerate
endmodule

// Sixteen words of four bits: written at an edge, read at once.
module TRELLIS_DPR16X4(input [3:0] DI, WAD, RAD, input WRE, WCK, output [3:0] DO);
  parameter [31:0] WCKMUX = "WCK", WREMUX = "WRE";
  parameter [63:0] INITVAL = 0;
  reg [3:0] words [0:15];
  integer k, b;
  initial for (k = 0; k < 16; k = k + 1) for (b = 0; b < 4; b = b + 1)
    words[k][b] = INITVAL[4 * k + b] === 1'b1;
  wire clk = WCKMUX == "INV" ? ~WCK : WCK;
  wire write = WREMUX == "1" ? 1'b1 : WREMUX == "0" ? 1'b0 : WREMUX == "INV" ? ~WRE : WRE;
  always @(posedge clk) if (write) words[WAD] <= DI;
  assign DO = words[RAD];
endmodule
