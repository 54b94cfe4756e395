// Sends lots of bytes to a chip's serial pin and holds what comes back against what must come, byte by byte. It says
// `same`, or `other` with what was wrong first; a bit that is neither 0 nor 1 is wrong. Behind readback_flips.v, which
// defines DIVISOR (clocks of a bit), QUIET (clocks until the chip must have spoken), and how much there is to send.
module bench;
  reg clk = 0, rx = 1;
  wire tx;
  chip chip(.clk(clk), .rx(rx), .tx(tx));
  always #5 clk = ~clk;

  reg [7:0] sent [0:`SENT - 1], wanted [0:`WANTED - 1];
  // For each lot, how many bytes are sent and come back.
  reg [31:0] sizes [0:2 * `LOTS - 1];
  integer lot, at = 0, heard = 0, goal = 0, silence, k, b;
  reg [7:0] got;

  initial begin
    $readmemh("sent.hex", sent);
    $readmemh("wanted.hex", wanted);
    $readmemh("sizes.hex", sizes);
    // The design holds itself in reset for a while.
    repeat (`QUIET) @(negedge clk);
    for (lot = 0; lot < `LOTS; lot = lot + 1) begin
      goal = goal + sizes[2 * lot + 1];
      for (k = 0; k < sizes[2 * lot]; k = k + 1) begin
        rx = 0;
        repeat (`DIVISOR) @(negedge clk);
        for (b = 0; b < 8; b = b + 1) begin
          rx = sent[at][b];
          repeat (`DIVISOR) @(negedge clk);
        end
        rx = 1;
        repeat (`DIVISOR) @(negedge clk);
        at = at + 1;
      end
      for (silence = 0; heard < goal; silence = silence + 1) begin
        if (silence > 8 * `QUIET) begin
          $display("other: silent at byte %0d", heard);
          $finish(0);
        end
        @(negedge clk);
      end
    end
    repeat (`QUIET) @(negedge clk);
    $display("same");
    $finish(0);
  end

  integer bits;
  initial forever begin
    @(negedge clk);
    if (tx === 1'b0) begin
      repeat (`DIVISOR / 2) @(negedge clk);
      for (bits = 0; bits < 8; bits = bits + 1) begin
        repeat (`DIVISOR) @(negedge clk);
        got[bits] = tx;
      end
      repeat (`DIVISOR) @(negedge clk);
      if (heard >= goal) begin
        $display("other: %h without a request", got);
        $finish(0);
      end else if (tx !== 1'b1 || got !== wanted[heard]) begin
        $display("other: byte %0d is %b, not %h", heard, got, wanted[heard]);
        $finish(0);
      end
      heard = heard + 1;
    end else if (tx !== 1'b1 && heard > 0) begin
      $display("other: neither 0 nor 1 behind byte %0d", heard);
      $finish(0);
    end
  end
endmodule
