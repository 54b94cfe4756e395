// A block RAM of ECP5, with the pins and widths that Yosys maps to and the behaviour that is said of
// it (compare FPGA-TN-02204): every width, both reset modes, the three write modes, output registers.
//
// AD counts bits: a row of 18 is AD[13:4], and AD[3:0] chooses inside it, where narrower words leave the ninth bit of
// each half out. Writing 18 or 36 bits, AD[1:0] or AD[3:0] say which parts of 9 are written. With 36 bits both ports
// are one: A writes {DIB, DIA}, B reads {DOB, DOA}. Behind an output register a word comes an edge later, and OCE lets
// it through; CE does not: what was read before goes on. A reset clears outputs, never contents.
module DP16KD(
  input ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9, ADA10, ADA11, ADA12, ADA13,
  input DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8, DIA9, DIA10, DIA11, DIA12, DIA13,
    DIA14, DIA15, DIA16, DIA17,
  input CLKA, CEA, OCEA, WEA, RSTA, CSA0, CSA1, CSA2,
  input ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9, ADB10, ADB11, ADB12, ADB13,
  input DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8, DIB9, DIB10, DIB11, DIB12, DIB13,
    DIB14, DIB15, DIB16, DIB17,
  input CLKB, CEB, OCEB, WEB, RSTB, CSB0, CSB1, CSB2,
  output DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8, DOA9, DOA10, DOA11, DOA12, DOA13,
    DOA14, DOA15, DOA16, DOA17,
  output DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8, DOB9, DOB10, DOB11, DOB12, DOB13,
    DOB14, DOB15, DOB16, DOB17
);
  parameter integer DATA_WIDTH_A = 18, DATA_WIDTH_B = 18;
  parameter REGMODE_A = "NOREG", REGMODE_B = "NOREG";
  parameter WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL";
  parameter [39:0] CSDECODE_A = "0b000", CSDECODE_B = "0b000";
  parameter RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC";
  parameter CLKAMUX = "CLKA", CLKBMUX = "CLKB", GSR = "ENABLED", INIT_DATA = "STATIC";
  parameter INITVAL_FILE = "";
  parameter [319:0]
    INITVAL_00 = 0, INITVAL_01 = 0, INITVAL_02 = 0, INITVAL_03 = 0,
    INITVAL_04 = 0, INITVAL_05 = 0, INITVAL_06 = 0, INITVAL_07 = 0,
    INITVAL_08 = 0, INITVAL_09 = 0, INITVAL_0A = 0, INITVAL_0B = 0,
    INITVAL_0C = 0, INITVAL_0D = 0, INITVAL_0E = 0, INITVAL_0F = 0,
    INITVAL_10 = 0, INITVAL_11 = 0, INITVAL_12 = 0, INITVAL_13 = 0,
    INITVAL_14 = 0, INITVAL_15 = 0, INITVAL_16 = 0, INITVAL_17 = 0,
    INITVAL_18 = 0, INITVAL_19 = 0, INITVAL_1A = 0, INITVAL_1B = 0,
    INITVAL_1C = 0, INITVAL_1D = 0, INITVAL_1E = 0, INITVAL_1F = 0,
    INITVAL_20 = 0, INITVAL_21 = 0, INITVAL_22 = 0, INITVAL_23 = 0,
    INITVAL_24 = 0, INITVAL_25 = 0, INITVAL_26 = 0, INITVAL_27 = 0,
    INITVAL_28 = 0, INITVAL_29 = 0, INITVAL_2A = 0, INITVAL_2B = 0,
    INITVAL_2C = 0, INITVAL_2D = 0, INITVAL_2E = 0, INITVAL_2F = 0,
    INITVAL_30 = 0, INITVAL_31 = 0, INITVAL_32 = 0, INITVAL_33 = 0,
    INITVAL_34 = 0, INITVAL_35 = 0, INITVAL_36 = 0, INITVAL_37 = 0,
    INITVAL_38 = 0, INITVAL_39 = 0, INITVAL_3A = 0, INITVAL_3B = 0,
    INITVAL_3C = 0, INITVAL_3D = 0, INITVAL_3E = 0, INITVAL_3F = 0;
  wire [64*320-1:0] contents = {
    INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38,
    INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
    INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
    INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20,
    INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18,
    INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
    INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
    INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00};
  wire [13:0] ad_a = {
    ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
  wire [17:0] di_a = {
    DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4,
    DIA3, DIA2, DIA1, DIA0};
  wire [13:0] ad_b = {
    ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
  wire [17:0] di_b = {
    DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4,
    DIB3, DIB2, DIB1, DIB0};

  // A parameter holds 16 rows of 18 bits, each in 20. What nobody set is 0 in a bitstream.
  reg [17:0] rows [0:1023];
  integer k, b;
  initial for (k = 0; k < 1024; k = k + 1) for (b = 0; b < 18; b = b + 1)
    rows[k][b] = contents[k / 16 * 320 + k % 16 * 20 + b] === 1'b1;

  localparam WIDE_WRITE = DATA_WIDTH_A == 36, WIDE_READ = DATA_WIDTH_B == 36;
  wire clk_a = CLKAMUX == "INV" ? ~CLKA : CLKA, clk_b = CLKBMUX == "INV" ? ~CLKB : CLKB;
  // The last three letters of a string such as 0b101 say how the selects must be.
  wire on_a = CEA && {CSA2, CSA1, CSA0} == {CSDECODE_A[16], CSDECODE_A[8], CSDECODE_A[0]};
  wire on_b = CEB && {CSB2, CSB1, CSB0} == {CSDECODE_B[16], CSDECODE_B[8], CSDECODE_B[0]};

  // Where a word lies in its row.
  function [4:0] place(input integer width, input [3:0] at);
    case (width)
      9: place = at[3] * 9;
      4: place = at[3] * 9 + at[2] * 4;
      2: place = at[3] * 9 + at[2:1] * 2;
      1: place = at[3] * 9 + at[2:0];
      default: place = 0;
    endcase
  endfunction

  // Which bits of the row are written.
  function [17:0] touched(input integer width, input [3:0] at);
    if (width == 18) touched = {{9{at[1]}}, {9{at[0]}}};
    else touched = ((18'd1 << width) - 18'd1) << place(width, at);
  endfunction

  function [17:0] word(input integer width, input [17:0] row, input [3:0] at);
    word = width >= 18 ? row : row >> place(width, at) & (18'd1 << width) - 18'd1;
  endfunction

  wire [17:0] mask_a = touched(DATA_WIDTH_A, ad_a[3:0]), mask_b = touched(DATA_WIDTH_B, ad_b[3:0]);
  wire [17:0] new_a = di_a << place(DATA_WIDTH_A, ad_a[3:0]);
  wire [17:0] new_b = di_b << place(DATA_WIDTH_B, ad_b[3:0]);
  wire held_a = RESETMODE == "SYNC" && RSTA, held_b = RESETMODE == "SYNC" && RSTB;
  integer i, j;

  always @(posedge clk_a) if (on_a && WEA && !held_a)
    for (i = 0; i < 18; i = i + 1)
      if (WIDE_WRITE) begin
        if (ad_a[i / 9]) rows[{ad_a[13:5], 1'b0}][i] <= di_a[i];
        if (ad_a[2 + i / 9]) rows[{ad_a[13:5], 1'b1}][i] <= di_b[i];
      end else if (mask_a[i]) rows[ad_a[13:4]][i] <= new_a[i];

  always @(posedge clk_b) if (on_b && WEB && !held_b && !WIDE_WRITE && !WIDE_READ)
    for (j = 0; j < 18; j = j + 1)
      if (mask_b[j]) rows[ad_b[13:4]][j] <= new_b[j];

  // What each port reads: the old row, or with WRITETHROUGH what it writes.
  wire [17:0] row_a = rows[ad_a[13:4]], row_b = rows[ad_b[13:4]];
  wire [17:0] low = rows[{ad_b[13:5], 1'b0}], high = rows[{ad_b[13:5], 1'b1}];
  wire [17:0] after_a = WRITEMODE_A == "WRITETHROUGH" && WEA ? row_a & ~mask_a | new_a & mask_a : row_a;
  wire [17:0] after_b = WRITEMODE_B == "WRITETHROUGH" && WEB ? row_b & ~mask_b | new_b & mask_b : row_b;
  wire reads_a = on_a && !(WEA && WRITEMODE_A == "NORMAL");
  wire reads_b = on_b && !(WEB && WRITEMODE_B == "NORMAL");

  wire clk_first = WIDE_READ ? clk_b : clk_a, rst_first = WIDE_READ ? RSTB : RSTA;
  wire oce_first = WIDE_READ ? OCEB : OCEA, reads_first = WIDE_READ ? on_b : reads_a;
  wire [17:0] next_first = WIDE_READ ? low : word(DATA_WIDTH_A, after_a, ad_a[3:0]);
  wire [17:0] next_second = WIDE_READ ? high : word(DATA_WIDTH_B, after_b, ad_b[3:0]);
  wire [17:0] do_a, do_b;
  DP16KD_OUTPUT #(.ASYNC(RESETMODE == "ASYNC"), .REGISTERED(REGMODE_A == "OUTREG"))
    first(clk_first, rst_first, reads_first, oce_first, next_first, do_a);
  DP16KD_OUTPUT #(.ASYNC(RESETMODE == "ASYNC"), .REGISTERED(REGMODE_B == "OUTREG"))
    second(clk_b, RSTB, reads_b, OCEB, next_second, do_b);
  assign {
    DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4,
    DOA3, DOA2, DOA1, DOA0} = do_a;
  assign {
    DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4,
    DOB3, DOB2, DOB1, DOB0} = do_b;
endmodule

// The latch that every block RAM has behind a port, and the register that may follow.
module DP16KD_OUTPUT #(parameter ASYNC = 0, REGISTERED = 0) (
  input clk, rst, reads, oce, input [17:0] data, output [17:0] out
);
  reg [17:0] latch = 0, register = 0;
  generate
    if (ASYNC != 0) begin
      always @(posedge clk or posedge rst)
        if (rst) {latch, register} <= 0;
        else begin
          if (reads) latch <= data;
          if (oce) register <= latch;
        end
    end else begin
      always @(posedge clk) begin
        if (rst) latch <= 0;
        else if (reads) latch <= data;
        if (oce) register <= rst ? 0 : latch;
      end
    end
  endgenerate
  assign out = REGISTERED != 0 ? register : latch;
endmodule
