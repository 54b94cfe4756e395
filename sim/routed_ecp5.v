// The cells of a placed ECP5, as nextpnr names them: half a slice, what writes its RAM, pads and clocks.

module ROUTED_BUFFER(input i, output o);
  assign o = i;
endmodule

module ROUTED_DCCA(input CLKI, output CLKO);
  assign CLKO = CLKI;
endmodule

// The clock goes through as it is, and is good a while after configuration.
module ROUTED_EHXPLLL(input CLKI, output CLKOP, LOCK);
  reg [5:0] timer = 0;
  always @(posedge CLKI) if (!timer[5]) timer <= timer + 1;
  assign CLKOP = CLKI, LOCK = timer[5];
endmodule

// A table of four inputs; half of a carry cell (compare CCU2C); or sixteen bits of RAM. Addresses of that come at the
// table's inputs in the order D, B, C, A.
module ROUTED_COMB(input A, B, C, D, FCI, WD, WAD0, WAD1, WAD2, WAD3, WRE, WCK, output F, FCO);
  parameter MODE = "LOGIC", CCU2_INJECT1 = "NO";
  parameter [15:0] INITVAL = 0;
  generate
    if (MODE == "CCU2") begin
      wire p, g;
      LUT4 #(.INIT(INITVAL)) all(.A(A), .B(B), .C(C), .D(D), .Z(p));
      LUT4 #(.INIT({12'b0, INITVAL[3:0]})) quarter(.A(A), .B(B), .C(1'b0), .D(1'b0), .Z(g));
      assign F = CCU2_INJECT1 == "YES" ? p : p ^ FCI;
      assign FCO = p ? FCI : CCU2_INJECT1 == "YES" ? 1'b0 : g;
    end else if (MODE == "DPRAM") begin
      reg [15:0] bits = INITVAL;
      always @(posedge WCK) if (WRE) bits[{WAD3, WAD2, WAD1, WAD0}] <= WD;
      assign F = bits[{A, C, B, D}], FCO = 0;
    end else begin
      LUT4 #(.INIT(INITVAL)) table_(.A(A), .B(B), .C(C), .D(D), .Z(F));
      assign FCO = 0;
    end
  endgenerate
endmodule

// What writes the RAM of a slice takes its data and addresses from the inputs of two tables that are then none.
module ROUTED_RAMW(
  input A0, B0, C0, D0, A1, B1, C1, D1, output WDO0, WDO1, WDO2, WDO3, WADO0, WADO1, WADO2, WADO3
);
  assign {WADO3, WADO2, WADO1, WADO0} = {A0, C0, B0, D0}, {WDO3, WDO2, WDO1, WDO0} = {B1, D1, A1, C1};
endmodule
