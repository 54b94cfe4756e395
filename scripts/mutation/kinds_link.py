"""Blocks of the host link and of the buses."""

from typing import Any

from .kind import Kind, call, mirror

__all__ = ["KINDS"]

_LINK = "rtl_gen/link/"
_STALLS = (0, 25, 50, 75, 95, "toggle")


def _encoder(t: Any, **how: Any) -> Any:
    # One frame is longer than a run can be, and two are as long.
    long = [bytes([7]) * size + tail for size, tail in ((253, b""), (254, b""), (254, b"\0"))]
    return t.encode([raw for raw in t.CORNERS if len(raw) < 20] + long, **how)


def _receiver(t: Any, **how: Any) -> Any:
    cases = [t.CASES["hello"], *(t.CASES[name] for name in t.CASES), t.CASES["infer"]]
    return t.check(cases, linger=20, **how)


def _line() -> Any:
    return mirror(_LINK + "conftest.py").SimulatedLine


def _store(t: Any) -> None:
    for pause in (0, 60):
        t.test_store(t.WINDOWS[0], pause)


KINDS = (
    Kind(
        name="UART receiver", tests=_LINK + "test_uart.py", block="UartReceiver",
        also=(
            call("test_receiver_hears_a_sender_that_drifts", 8, 0.0),
            call("test_receiver_hears_a_sender_that_drifts", 8, 0.02),
            call("test_receiver_hears_a_sender_that_drifts", 8, -0.02),
            call("test_receiver_drops_a_byte_without_stop_bit_and_recovers"),
            call("test_receiver_holds_a_byte_and_drops_the_next"),
            call("test_receiver_takes_a_byte_in_the_clock_in_which_the_one_before_leaves"),
        ),
    ),
    Kind(
        name="UART transmitter", tests=_LINK + "test_uart.py", block="UartTransmitter",
        also=(call("test_transmitter_sends_each_bit_for_divisor_cycles", 5),),
    ),
    Kind(
        name="COBS decoder", tests=_LINK + "test_cobs.py", block="CobsDecoder",
        also=(
            *(
                call("test_decoder_decodes_what_the_package_encodes", stalls)
                for stalls in _STALLS
            ),
            call("test_decoder_skips_empty_frames_and_flags_damage"),
            call("test_decoder_starts_afresh_after_a_reset"),
            call("test_decoder_takes_a_byte_a_cycle"),
        ),
    ),
    Kind(
        name="COBS encoder", tests=_LINK + "test_cobs.py", block="CobsEncoder", play=_encoder,
        battery=({}, {"stalls": 50}, {"stalls": "toggle"}, {"reset_after": 40}),
    ),
    Kind(
        name="request receiver with its CRC", tests=_LINK + "test_request.py",
        block="RequestReceiver", play=_receiver,
        battery=({}, {"stalls": {"i": 50, "o": 50}}, {"stalls": {"o": 90}}, {"reset_after": 7}),
        also=(
            call("test_receiver_takes_a_byte_a_cycle"),
            *(
                call("test_receiver_drops_frames_shorter_than_header_and_crc", length)
                for length in range(1, 5)
            ),
            *(
                call("test_receiver_rejects_the_crc_of_another_variant", code)
                for code in (0x1021, 0x8005, 0xFFFF)
            ),
            *(call("test_receiver_drops_short_frames_whose_crc_fits", n) for n in (1, 2)),
            call("test_receiver_reports_a_full_buffer_and_drops_replies_that_wait"),
        ),
    ),
    Kind(
        name="request buffer", tests=_LINK + "test_request.py", block="RequestBuffer",
        also=(
            *(
                call("test_buffer_hands_on_what_was_good", 2, 5, stalls)
                for stalls in (50, 75, "toggle")
            ),
            *(
                call("test_buffer_refuses_when_full_and_harms_nothing", waiting)
                for waiting in ("o", "sequence")
            ),
            lambda t: t.store(t.entries(2, 5, 5), credits=2, reset_after=10),
            call("test_buffer_says_when_a_payload_ends_and_repeats_it"),
        ),
    ),
    *(
        Kind(
            name=f"result bytes{', ranked' if ranked else ''}", tests=_LINK + "test_reply.py",
            block="ResultBytes",
            also=tuple(call(test, 9, 4, stalls) for stalls in _STALLS),
        )
        for ranked, test in ((False, "test_result_bytes"), (True, "test_ranked_result_bytes"))
    ),
    Kind(
        name="reply sender", tests=_LINK + "test_reply.py", block="ReplySender",
        also=(
            *(call("test_answers_carry_their_sequence", stalls) for stalls in _STALLS),
            *(call("test_hello_and_errors", stalls) for stalls in (0, 50, "toggle")),
            call("test_hello_carries_the_status"),
            call("test_control_goes_first_and_resets_cleanly"),
        ),
    ),
    Kind(
        name="SPI peripheral", tests=_LINK + "test_spi.py", block="SpiPeripheral",
        also=(
            *(call("test_both_directions", period, 0) for period in (4.0, 5.0)),
            call("test_what_is_read_holds_before_and_after_the_edge", -0.99, 4.0),
            call("test_what_is_read_holds_before_and_after_the_edge", 1.99, 4.37),
            call("test_pauses_of_the_controller_and_of_the_stream", 0),
            call("test_a_byte_that_cs_cuts_is_dropped_and_ours_is_sent_again"),
            call("test_sender_that_is_late_sends_fillers"),
            *(call("test_reset_in_the_middle_waits_for_cs", late) for late in range(3)),
            call("test_whatever_the_wires_do_the_next_transaction_is_right", 0),
            call("test_a_last_rise_that_comes_with_cs_is_none"),
            call("test_receiver_holds_a_byte_and_drops_the_next"),
        ),
    ),
    Kind(
        name="weight loader with its CRC", tests=_LINK + "test_weights.py", block="WeightLoader",
        also=(
            call("test_wrong_crc_is_not_loaded_until_a_right_one_comes", 1 << 31),
            call("test_reset_keeps_an_upload_and_not_half_of_one"),
            call("test_no_upload_begins_while_requests_are_under_way"),
        ),
    ),
    Kind(
        name="host link", tests=_LINK + "test_host.py", block="HostLink",
        also=(
            lambda t: t.test_answers_every_request_in_order(_line(), 4, 2),
            lambda t: t.test_says_what_is_wrong(_line()),
            lambda t: t.test_truncated_frames(_line()),
            lambda t: t.test_counts_what_it_drops(_line()),
            lambda t: t.test_any_sequence_comes_back(_line()),
            lambda t: t.test_pauses_of_any_length_in_a_request(_line()),
        ),
    ),
    Kind(
        name="AXI4-Lite slave", tests="rtl_gen/bus/test_axi_lite.py", block="AxiLiteSlave",
        also=(
            *(call("test_reads_and_writes_take_turns", wait) for wait in (0, 3)),
            *(
                call("test_stalls_lose_and_mix_nothing", 2, name)
                for name in ("i_aw", "i_w", "i_ar", "o_b", "o_r", "all")
            ),
            call("test_responses_do_not_wait_for_ready", "o_b"),
            call("test_responses_do_not_wait_for_ready", "o_r"),
            call("test_reset_forgets_a_response"),
        ),
    ),
    Kind(
        name="Wishbone slave", tests="rtl_gen/bus/test_wishbone.py", block="WishboneSlave",
        also=(
            *(call("test_random_cycles", wait) for wait in (0, 1, 3)),
            call("test_nothing_without_cyc_and_stb_and_cycles_that_are_given_up"),
        ),
    ),
    Kind(
        name="register file", tests="rtl_gen/bus/test_registers.py", block="RegisterFile",
        make=lambda t: t.RegisterFile(table=t.table()),
        also=(
            call("test_every_address"), call("test_control_and_status"),
            call("test_a_memory_may_take_its_time"),
        ),
    ),
    Kind(
        name="memory behind a bus", tests="rtl_gen/bus/test_registers.py", block="MappedStore",
        also=(_store,),
    ),
    Kind(
        name="matrix unit", tests="rtl_gen/product/test_unit.py", block="MatrixUnit",
        also=(
            call("test_stop_load_and_go_on", (5, 7, 2, 3), 0),
            call("test_stop_load_and_go_on", (5, 7, 2, 3), 50),
        ),
    ),
    Kind(
        name="power-on reset", tests="rtl_gen/build/test_clocking.py", block="PowerOnReset",
        also=(
            lambda t: t.check_release(t.PowerOnReset(cycles=8), 11),
            call("test_lost_lock_resets_again"),
        ),
    ),
)  # fmt: skip
