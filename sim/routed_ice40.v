// What a placed iCE40 has besides block RAMs, of which Yosys brings a model.

// A table of four inputs, a carry of two of them, and a flip-flop that may follow; it starts at 0.
module ROUTED_LC(input I0, I1, I2, I3, CIN, CLK, CEN, SR, output LO, O, COUT);
  parameter [15:0] LUT_INIT = 0;
  parameter [0:0] NEG_CLK = 0, CARRY_ENABLE = 0, DFF_ENABLE = 0, SET_NORESET = 0, ASYNC_SR = 0;
  parameter [0:0] CIN_CONST = 0, CIN_SET = 0;
  wire carry = CIN_CONST ? CIN_SET : CIN;
  wire clk = NEG_CLK ? ~CLK : CLK;
  reg q = 0;
  // Chosen step by step, so that an input which is unknown and does not matter stays without effect.
  wire [7:0] by_3 = I3 ? LUT_INIT[15:8] : LUT_INIT[7:0];
  wire [3:0] by_2 = I2 ? by_3[7:4] : by_3[3:0];
  wire [1:0] by_1 = I1 ? by_2[3:2] : by_2[1:0];
  assign LO = I0 ? by_1[1] : by_1[0];
  assign COUT = CARRY_ENABLE & (I1 & I2 | (I1 | I2) & carry);
  assign O = DFF_ENABLE ? q : LO;
  generate
    if (ASYNC_SR) begin
      always @(posedge clk or posedge SR) if (SR) q <= SET_NORESET; else if (CEN) q <= LO;
    end else begin
      always @(posedge clk) if (CEN) q <= SR ? SET_NORESET : LO;
    end
  endgenerate
endmodule

module ROUTED_BUFFER(input i, output o);
  assign o = i;
endmodule

// The clock goes through as it is, and is good a while after configuration.
module ROUTED_PLL(input i, output PLLOUT_A, PLLOUT_A_GLOBAL, LOCK);
  reg [5:0] timer = 0;
  always @(posedge i) if (!timer[5]) timer <= timer + 1;
  assign PLLOUT_A = i, PLLOUT_A_GLOBAL = i, LOCK = timer[5];
endmodule
