FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BROKERWEB_DATA=/data \
    BROKERWEB_BIND=0.0.0.0:8000 \
    BROKERWEB_SERVER=uvicorn

WORKDIR /app
COPY pyproject.toml README.md LICENSE manage.py ./
COPY brokerweb/ brokerweb/
COPY queues/ queues/
COPY streams/ streams/
COPY console/ console/
COPY static/ static/
RUN python -m pip install --no-cache-dir --editable . \
    && mkdir -m 770 "$BROKERWEB_DATA"

# Any user of group 0 may write the data; the code belongs to root.
USER 10001:0
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["python", "manage.py", "serve"]
