from bnnhw.target import*
BOARD=Board(**{'name': 'm', 'title': 'd', 'family': 'ice40', 'device': 'u8', 'platform': 'ar:Im', 'budget': Budget(**{'lut4': 5, 'ff': 5, 'ebr': 30, 'ebr_bits':96, 'spram': 4, 'dsp': 8}), 'clock': Clock(**{'source_hz': 1, 'sync_hz': 2, 'pll': 'pad'}), 'link': Link(**{'resource': 'uart', 'baud': 1000}), 'programmers': 7, 'notes': ''})
