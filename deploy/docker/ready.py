"""Whether the broker of this container is to be given work: what the image's HEALTHCHECK asks every ten seconds."""

import http.client
import os
import sys

from brokerweb import conf

options = conf.read(os.environ)
broker = http.client.HTTPConnection(options.shown_host.strip("[]"), options.port, timeout=2)
try:
    broker.request("GET", "/readyz")
    answer = broker.getresponse()
except OSError as error:
    sys.exit(f"no answer on port {options.port}: {error}")
sys.stdout.write(answer.read().decode())
sys.exit(answer.status != http.HTTPStatus.OK)
