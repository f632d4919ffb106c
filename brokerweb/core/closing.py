"""Why a socket is closed: the codes that clients are told."""

NORMAL = 1000
GOING_AWAY = 1001
TOO_LARGE = 1009
FAILED = 1011
UNAUTHENTICATED = 4001
TOO_SLOW = TOO_MANY = 4008  # a client that does not read, or sends too many bad frames
BY_OPERATOR = 4009

CLEAN = (NORMAL, GOING_AWAY)  # of a client: it leaves, and what it held is no failure
