"""What nobody should send, and somebody will."""

from hypothesis import strategies as st

TEXTS = [
    *("", " ", "\0", "a\0b", "\x1b[2J", "\r\nX-Injected: 1", "\u202e", "\ufeff", "\U0001f4a5" * 50),
    *("-1", "0", "1e999", "NaN", "-0", "0x10", "١٢٣", "9" * 25, "9" * 400, "1.5", "1,5", "true"),
    *("2026-02-30", "0001-01-01", "9999-12-31", "0001-01-01T00:00", "2026-03-14T02:30", "24:00"),
    *("<script>alert(1)</script>", "'\"><img src=x onerror=alert(1)>", "{{ 7*7 }}", "{% x %}"),
    *("'; DROP TABLE devices_device; --", "%s%s%n", "%", "_", "\\", "../../etc/passwd", "/etc"),
    *("..", "//", "C:\\x", "=1+1", "@SUM(1)", "{}", "[]", '{"a": [1]}', "null", "[" * 200),
    *(
        "x" * 5000,
        "é" * 300,
        "None",
        "on",
        "America/Nowhere",
        "Etc/../UTC",
        "* * * * *",
        "61 * * *",
    ),
    *("*/0 * * * *", "a@b", "a@b\nBcc: c@d", "999999999999999999999999", "-99999999999"),
]
KEYS = [
    *("abc", "0", "-1", "9" * 30, "1.5", "%00", "..", "a b", "_00", "_5F", "é", "1%2f2", "%0d%0a"),
    *("1_change", "x" * 3000, "'", "%25"),
]
NAMES = [
    *("q", "o", "p", "after", "before", "all", "e", "_popup", "_to_field", "_changelist_filters"),
    *("state__exact", "state", "kind", "id__in", "pk", "device__device_id__startswith", "received"),
    *("category", "severity", "start", "end", "channel", "day", "days", "zone", "format", "cron"),
    *("schedule", "device", "group", "period", "version", "unmapped", "received__gte", "x__y__z"),
]

texts = st.one_of(st.sampled_from(TEXTS), st.text(max_size=20))
keys = st.sampled_from(KEYS)
queries = st.dictionaries(
    st.one_of(st.sampled_from(NAMES), st.text(max_size=6)),
    st.one_of(st.sampled_from(TEXTS[:60]), st.lists(st.sampled_from(TEXTS), max_size=2)),
    max_size=3,
)
