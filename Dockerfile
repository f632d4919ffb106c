# One node. docs/docker.md says how to build it and to run it.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BROKERWEB_DATA=/data \
    BROKERWEB_BIND=0.0.0.0:8000 \
    BROKERWEB_SERVER=uvicorn

WORKDIR /app

# Dependencies are a layer of their own, which a change of the source leaves as it is.
COPY pyproject.toml ./
RUN python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb')); print(*p['build-system']['requires'], *p['project']['dependencies'], sep='\n')" > requirements.txt \
    && python -m pip install --no-cache-dir --requirement requirements.txt

COPY README.md LICENSE manage.py ./
COPY deploy/docker/ docker/
COPY brokerweb/ brokerweb/
COPY queues/ queues/
COPY streams/ streams/
COPY console/ console/
COPY static/ static/
RUN python -m pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && python -m compileall -q brokerweb queues streams console \
    && mkdir -m 770 "$BROKERWEB_DATA"

LABEL org.opencontainers.image.title="brokerweb" \
      org.opencontainers.image.description="A message broker that lives in a browser, a REST call and a WebSocket." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT"

# Any user of group 0 may write the data; the code belongs to root.
USER 10001:0
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["python", "/app/docker/ready.py"]
ENTRYPOINT ["/app/docker/entrypoint.sh"]
CMD ["serve"]
