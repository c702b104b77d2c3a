"""Words that speak for common labels, so that a label need not occur in the text it fits.

Keyed by the stem of the label's word; the values are plain words.
"""

from lanewise.sandbox.answers.text import stem

_WORDS = {
    "positive": "good great excellent love loved happy wonderful best amazing fantastic enjoy "
    "perfect recommend pleased helpful thanks",
    "negative": "bad terrible awful hate hated angry worst poor broken disappointed refund "
    "useless fail failed slow rude problem complaint",
    "yes": "true correct indeed supported allowed",
    "no": "false incorrect not unsupported forbidden",
    "urgent": "immediately asap emergency critical outage down",
    "billing": "invoice charge charged payment refund price card fee subscription",
    "payment": "card pay charge transfer invoice fee refund",
    "account": "login password sign user profile access",
    "technical": "error crash bug fail install update software",
    "bug": "error crash traceback exception fail broken wrong",
    "feature": "add support wish request would improvement",
    "shipping": "delivery package arrive courier order tracking",
    "network": "socket http url server client protocol connection host address tcp udp ftp smtp "
    "imap",
    "internet": "http url email mime smtp html cookie server client",
    "web": "http url html browser cookie server client wsgi cgi",
    "concurrency": "thread process async asyncio lock queue event future coroutine parallel task "
    "semaphore pool",
    "parallel": "thread process pool worker concurrent",
    "file": "path directory filename open read write disk stream filesystem",
    "filesystem": "file path directory disk stat",
    "io": "file stream read write buffer socket",
    "os": "process signal environ path system platform kernel file",
    "text": "string character unicode regex regular expression format word line",
    "string": "text character unicode format template",
    "data": "structure list dict collection array heap queue mapping record serialize",
    "structure": "list dict collection array heap queue mapping tree",
    "serialization": "pickle json marshal encode decode xml csv dump load",
    "format": "json csv xml parse encode decode config",
    "math": "number float integer complex decimal fraction random statistic trigonometric",
    "number": "float integer decimal fraction math complex",
    "test": "unittest assert mock doctest case fixture",
    "debug": "traceback trace profile inspect frame breakpoint",
    "development": "debug test profile trace build package",
    "compression": "zip gzip bz2 lzma tar zlib archive compress",
    "archive": "zip tar gzip compress",
    "crypto": "hash hmac secret digest key token ssl",
    "security": "ssl hash secret key password certificate encrypt vulnerability attack",
    "time": "date clock calendar timezone second datetime",
    "date": "time calendar timezone datetime day month",
    "database": "sql sqlite dbm query table cursor",
    "persistence": "database sqlite dbm shelve pickle store",
    "language": "syntax parser ast token keyword compile grammar python bytecode",
    "parse": "syntax token grammar tree ast lexer",
    "import": "module package loader finder",
    "runtime": "interpreter garbage gc sys warning import module",
    "system": "process signal platform os kernel environment",
    "gui": "tk tkinter widget window event turtle",
    "interface": "command line terminal argument prompt curses window",
    "cli": "command line argument option terminal parser",
    "logging": "log logger handler message level",
    "media": "audio sound image color wave video",
    "sport": "game team player match season score league win coach",
    "business": "company market stock profit sale share economy bank",
    "politics": "government election president minister vote party policy",
    "science": "research study scientist space experiment physics",
    "technology": "software computer internet device phone app digital",
    "health": "doctor patient hospital disease medical treatment",
}  # fmt: skip
HINTS: dict[str, tuple[str, ...]] = {
    stem(label): tuple(words.split()) for label, words in _WORDS.items()
}
