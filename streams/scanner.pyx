# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The short way of the decoder as machine code: one pass over the bytes of an event.

It takes what nearly every record looks like: a structured event in plain ASCII, each field once,
numbers without exponents, time in UTC. Whatever else comes is left to ``streams.contract``, which
alone says what is valid and why something is not; that the two never disagree is a test. What
players say again and again (who watches what, on which device) is looked up by its bytes, once the
contract has read the same bytes.

Built where the core is compiled (docs/adr/0028); ``streams.decoder`` does without it.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_SET_ITEM
from libc.math cimport rint
from libc.string cimport memchr, memcmp, memcpy

from streams.contract import KEPT, VIEWERS, decode_carefully
from streams.events import MAX_ID, MAX_POSITION_S, MAX_RATE, SEEK, TYPES, Event
from streams.viewing.knots import NO_POSITION, NO_RATE, NO_SEQ, Knot

cdef extern from *:
    """
    /* What tuple.__new__ does for a subclass, without a tuple to copy from. */
    static inline PyObject *new_tuple(PyObject *type, Py_ssize_t size) {
        PyObject *made = ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, size);
    #if PY_VERSION_HEX >= 0x030E0000
        if (made != NULL) ((PyTupleObject *)made)->ob_hash = -1;  /* not worked out yet */
    #endif
        return made;
    }
    """
    object new_tuple(object cls, Py_ssize_t size)

ctypedef const unsigned char *Text

cdef struct Token:
    Text at
    Py_ssize_t size

cdef enum:
    ID, SOURCE, TYPE, SUBJECT, TIME, DATA, VERSION, CONTENT_TYPE, SCHEMA,
    PLAYBACK, TITLE, SEASON, EPISODE, DEVICE, COUNTRY, LANGUAGE, DURATION, AUTOPLAY,
    POSITION, ORIGIN, RATE, SEQ, FIELDS

cdef enum:
    OF_PLAYBACK = EPISODE - PLAYBACK + 1
    OF_FACTS = AUTOPLAY - DEVICE + 1
    TOKENS_MOST = 2048
    DIGITS_MOST = 15
    SEQ_DIGITS_MOST = 18
    ID_MOST = 256

cdef int ENVELOPE = 1 << ID | 1 << SOURCE | 1 << TYPE | 1 << SUBJECT | 1 << TIME | 1 << DATA
cdef int NEEDED = ENVELOPE | 1 << PLAYBACK | 1 << TITLE | 1 << POSITION
cdef double[16] TENS
cdef int[13] DAYS_BEFORE
cdef long long DAY_US = 86_400_000_000

for _power in range(16):
    TENS[_power] = 10.0 ** _power
for _month, _days in enumerate((0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)):
    DAYS_BEFORE[_month] = _days
if MAX_ID != ID_MOST:
    raise ImportError("ids may be of another length than this was built for")

cdef double POSITION_MOST = MAX_POSITION_S
cdef double RATE_MOST = MAX_RATE
cdef object EVENT = Event
cdef object KNOT = Knot
cdef object SEEKED = SEEK
cdef tuple HEARTBEAT = TYPES["playback.heartbeat"]
cdef dict KINDS = {word.encode(): found for word, found in TYPES.items()}
cdef object WITHOUT_SEQ = NO_SEQ
cdef object WITHOUT_RATE = NO_RATE
cdef object WITHOUT_ORIGIN = NO_POSITION
cdef Py_ssize_t MEMORY = KEPT
cdef dict viewers = VIEWERS
cdef dict playbacks = {}
cdef dict facts = {}
cdef object known_rules = None
cdef double earliest_ms = 0.0
cdef double ahead_ms = 0.0


# -- pieces: each returns where to go on, or NULL if this is not for the short way ------------------
cdef inline Text skip(Text at) noexcept nogil:
    while at[0] == c" " or at[0] == c"\n" or at[0] == c"\t" or at[0] == c"\r":
        at += 1
    return at


cdef inline Text string(Text at, Text end, Token *token) noexcept nogil:
    """Text without escapes; what its bytes are is not looked at."""
    if at[0] != c'"':
        return NULL
    at += 1
    cdef Text close = <Text>memchr(at, c'"', end - at)
    if close == NULL or memchr(at, c"\\", close - at) != NULL:
        return NULL
    token.at, token.size = at, close - at
    return close + 1


cdef inline bint is_ascii(Token *token) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(token.size):
        if token.at[i] < 0x20 or token.at[i] >= 0x7F:
            return False
    return True


cdef inline bint is_text(Token *token) noexcept nogil:
    """Whether there is nothing in it that JSON would have escaped."""
    cdef Py_ssize_t i
    for i in range(token.size):
        if token.at[i] < 0x20:
            return False
    return True


cdef inline Text scalar(Text at, Text end, Token *token) noexcept nogil:
    """A string with its quotes, or what may be a number or a word: looked up by its bytes."""
    cdef Text start = at
    if at[0] == c'"':
        at = string(at, end, token)
        if at == NULL:
            return NULL
    else:
        while c"0" <= at[0] <= c"9" or c"a" <= at[0] <= c"z" or at[0] == c"." or at[0] == c"-":
            at += 1
        if at == start:
            return NULL
    token.at, token.size = start, at - start
    return at


cdef inline Text whole(Text at, long long *number) noexcept nogil:
    cdef Text start = at
    number[0] = 0
    while c"0" <= at[0] <= c"9":
        if at - start == SEQ_DIGITS_MOST:
            return NULL
        number[0] = 10 * number[0] + at[0] - c"0"
        at += 1
    if at == start or (start[0] == c"0" and at - start > 1):
        return NULL
    if at[0] == c"." or at[0] == c"e" or at[0] == c"E":
        return NULL
    return at


cdef inline Text decimal(Text at, double *number) noexcept nogil:
    """A number of at most 15 digits: both parts of the fraction are exact, so is its rounding."""
    cdef Text start = at
    cdef long long digits = 0
    cdef int places = 0
    while c"0" <= at[0] <= c"9":
        digits = 10 * digits + at[0] - c"0"
        at += 1
        if at - start > DIGITS_MOST:
            return NULL
    if at == start or (start[0] == c"0" and at - start > 1):
        return NULL
    if at[0] == c".":
        at += 1
        while c"0" <= at[0] <= c"9":
            digits = 10 * digits + at[0] - c"0"
            at += 1
            places += 1
            if at - start > DIGITS_MOST:
                return NULL
        if not places:
            return NULL
    if at[0] == c"e" or at[0] == c"E":
        return NULL
    number[0] = <double>digits / TENS[places]
    return at


cdef inline int two(Text at) noexcept nogil:
    if c"0" <= at[0] <= c"9" and c"0" <= at[1] <= c"9":
        return 10 * (at[0] - c"0") + at[1] - c"0"
    return -1


cdef inline bint moment(Token *token, long long *at_ms) noexcept nogil:
    """``2026-03-01T20:15:30.250Z``, with up to six places, in whole milliseconds."""
    cdef Text at = token.at
    if token.size < 20 or token.size > 27 or at[token.size - 1] != c"Z":
        return False
    if at[4] != c"-" or at[7] != c"-" or at[10] != c"T" or at[13] != c":" or at[16] != c":":
        return False
    cdef int century = two(at), rest = two(at + 2), month = two(at + 5), day = two(at + 8)
    cdef int hour = two(at + 11), minute = two(at + 14), second = two(at + 17)
    if century < 19 or rest < 0 or not 1 <= month <= 12 or day < 1:
        return False
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        return False
    cdef int year = 100 * century + rest
    cdef bint leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    cdef int length = DAYS_BEFORE[month] - DAYS_BEFORE[month - 1] + (leap and month == 2)
    if day > length:
        return False
    cdef long long micros = 0
    cdef Py_ssize_t i
    if token.size > 20:
        if at[19] != c"." or token.size == 21:
            return False
        for i in range(20, 26):
            micros *= 10
            if i < token.size - 1:
                if not c"0" <= at[i] <= c"9":
                    return False
                micros += at[i] - c"0"
    cdef int before = year - 1
    cdef long long days = 365 * before + before // 4 - before // 100 + before // 400 - 719_162
    days += DAYS_BEFORE[month - 1] + (leap and month > 2) + day - 1
    micros += days * DAY_US + (3600 * hour + 60 * minute + second) * <long long>1_000_000
    # As datetime.timestamp() and round() do it, so that the last digit is theirs.
    at_ms[0] = <long long>rint(<double>micros / 1e6 * 1000.0)
    return True


cdef inline bint says(Text at, Py_ssize_t size, const char *name) noexcept nogil:
    return memcmp(at, name, size) == 0


cdef int of_envelope(Text at, Py_ssize_t size) noexcept nogil:
    if size == 2:
        return ID if says(at, size, "id") else -1
    if size == 4:
        if says(at, size, "type"):
            return TYPE
        if says(at, size, "time"):
            return TIME
        return DATA if says(at, size, "data") else -1
    if size == 6:
        return SOURCE if says(at, size, "source") else -1
    if size == 7:
        return SUBJECT if says(at, size, "subject") else -1
    if size == 11:
        return VERSION if says(at, size, "specversion") else -1
    if size == 15:
        return CONTENT_TYPE if says(at, size, "datacontenttype") else -1
    return SCHEMA if size == 10 and says(at, size, "dataschema") else -1


cdef int of_data(Text at, Py_ssize_t size) noexcept nogil:
    if size == 3:
        return SEQ if says(at, size, "seq") else -1
    if size == 4:
        return RATE if says(at, size, "rate") else -1
    if size == 6:
        if says(at, size, "season"):
            return SEASON
        return DEVICE if says(at, size, "device") else -1
    if size == 7:
        if says(at, size, "episode"):
            return EPISODE
        return COUNTRY if says(at, size, "country") else -1
    if size == 8:
        if says(at, size, "title_id"):
            return TITLE
        if says(at, size, "language"):
            return LANGUAGE
        return AUTOPLAY if says(at, size, "autoplay") else -1
    if size == 10:
        if says(at, size, "position_s"):
            return POSITION
        return DURATION if says(at, size, "duration_s") else -1
    if size == 11:
        return PLAYBACK if says(at, size, "playback_id") else -1
    return ORIGIN if size == 15 and says(at, size, "from_position_s") else -1


cdef struct Said:
    int seen
    Token[FIELDS] tokens
    double position_s
    double origin_s
    double rate
    long long seq


cdef Text members(Text at, Text end, Said *said, bint inner) noexcept nogil:
    """An object and all that is in it."""
    cdef Token name
    cdef int field
    if at[0] != c"{":
        return NULL
    at += 1
    while True:
        at = string(skip(at), end, &name)
        if at == NULL:
            return NULL
        at = skip(at)
        if at[0] != c":":
            return NULL
        at = skip(at + 1)
        field = of_data(name.at, name.size) if inner else of_envelope(name.at, name.size)
        if field < 0 or said.seen & 1 << field:
            return NULL
        said.seen |= 1 << field
        if field == DATA:
            at = members(at, end, said, True)
        elif field == POSITION:
            at = decimal(at, &said.position_s)
        elif field == ORIGIN:
            at = decimal(at, &said.origin_s)
        elif field == RATE:
            at = decimal(at, &said.rate)
        elif field == SEQ:
            at = whole(at, &said.seq)
        elif inner:
            at = scalar(at, end, &said.tokens[field])
        else:
            at = string(at, end, &said.tokens[field])
        if at == NULL:
            return NULL
        at = skip(at)
        if at[0] == c"}":
            return at + 1
        if at[0] != c",":
            return NULL
        at += 1


cdef bint is_id(Token *token) noexcept nogil:
    return 0 < token.size <= ID_MOST and is_ascii(token)


cdef bint is_plain(Said *said) noexcept nogil:
    """Whether the envelope and the numbers are valid, but for what is looked up."""
    if said.seen & NEEDED != NEEDED:
        return False
    if not is_id(&said.tokens[ID]) or not is_id(&said.tokens[SOURCE]):
        return False
    cdef Token *version = &said.tokens[VERSION]
    if said.seen & 1 << VERSION and (version.size != 3 or memcmp(version.at, "1.0", 3) != 0):
        return False
    if said.seen & 1 << CONTENT_TYPE and not is_ascii(&said.tokens[CONTENT_TYPE]):
        return False
    if said.seen & 1 << SCHEMA and not is_ascii(&said.tokens[SCHEMA]):
        return False
    if said.position_s > POSITION_MOST:
        return False
    if said.seen & 1 << ORIGIN and said.origin_s > POSITION_MOST:
        return False
    return not said.seen & 1 << RATE or 0.0 < said.rate <= RATE_MOST


cdef bytes joined(Token *tokens, int count):
    """Tokens as one key; none of them holds a line feed that is valid, so none runs into another.
    """
    cdef char[TOKENS_MOST] text
    cdef Py_ssize_t size = 0
    cdef int i
    for i in range(count):
        if size + tokens[i].size + 1 > TOKENS_MOST:
            return None
        memcpy(text + size, tokens[i].at, tokens[i].size)
        size += tokens[i].size
        text[size] = c"\n"
        size += 1
    return PyBytes_FromStringAndSize(text, size)


cdef inline void filled(object made, Py_ssize_t place, object item):
    Py_INCREF(item)
    PyTuple_SET_ITEM(made, place, item)


cdef int remember(dict memory, object said, object checked) except -1:
    if len(memory) >= MEMORY:
        memory.clear()
    memory[said] = checked
    return 0


def scan(bytes key not None, bytes value not None, long long stamp_ms, rules):
    """The event that a record holds, if it is of the usual kind and surely valid; else None.

    Args:
        key: the record's key.
        value: its value.
        stamp_ms: the record's own timestamp on the broker.
        rules: how old or how far ahead an event may be.

    Raises:
        Reject: the record breaks the contract (which may also be left to be found out).
    """
    global known_rules, earliest_ms, ahead_ms
    if rules is not known_rules:
        earliest_ms, ahead_ms = rules.earliest_time_s * 1000, rules.max_ahead_s * 1000
        known_rules = rules
    cdef Text start = <Text>PyBytes_AS_STRING(value)  # Python ends it with a zero, which fits nowhere
    cdef Text end = start + PyBytes_GET_SIZE(value)
    cdef Said said
    cdef int i
    said.seen = 0
    for i in range(PLAYBACK, AUTOPLAY + 1):
        said.tokens[i].size = 0
    cdef Text at = members(skip(start), end, &said, False)
    if at == NULL or skip(at) != end or not is_plain(&said):
        return None
    cdef Token *subject = &said.tokens[SUBJECT]
    cdef long long at_ms
    if (
        PyBytes_GET_SIZE(key) != subject.size
        or memcmp(PyBytes_AS_STRING(key), subject.at, subject.size) != 0
        or not is_text(subject)
        or not moment(&said.tokens[TIME], &at_ms)
        or at_ms < earliest_ms
        or at_ms > stamp_ms + ahead_ms
    ):
        return None
    cdef Token *word = &said.tokens[TYPE]
    cdef tuple kind
    if word.size == 18 and memcmp(word.at, "playback.heartbeat", 18) == 0:
        kind = HEARTBEAT
    else:
        kind = KINDS.get(PyBytes_FromStringAndSize(<const char *>word.at, word.size))
        if kind is None:
            return None
    cdef object origin = WITHOUT_ORIGIN
    if kind[0] == SEEKED:
        if not said.seen & 1 << ORIGIN:
            return None
        origin = <long long>rint(said.origin_s * 1000.0)
    cdef bytes run = joined(&said.tokens[PLAYBACK], OF_PLAYBACK)
    cdef bytes told = joined(&said.tokens[DEVICE], OF_FACTS)
    if run is None or told is None:
        return None
    viewer, playback, fact = viewers.get(key), playbacks.get(run), facts.get(told)
    if viewer is None or playback is None or fact is None:
        event = decode_carefully(key, value, (), stamp_ms, rules)
        if type(event) is EVENT:
            remember(playbacks, run, event[1])
            remember(facts, told, event[4])
        return event
    knot = new_tuple(KNOT, 6)
    filled(knot, 0, at_ms)
    filled(knot, 1, said.seq if said.seen & 1 << SEQ else WITHOUT_SEQ)
    filled(knot, 2, kind[0])
    filled(knot, 3, <long long>rint(said.position_s * 1000.0))
    filled(knot, 4, said.rate if said.seen & 1 << RATE else WITHOUT_RATE)
    filled(knot, 5, origin)
    event = new_tuple(EVENT, 5)
    filled(event, 0, viewer)
    filled(event, 1, playback)
    filled(event, 2, knot)
    filled(event, 3, kind[1])
    filled(event, 4, fact)
    return event
