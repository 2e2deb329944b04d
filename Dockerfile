# One image for every process; docker-compose.yml says which command each runs.
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
RUN python -m venv /app/.venv
COPY requirements.txt package.json package-lock.json ./
RUN .venv/bin/pip install -r requirements.txt
COPY config/__init__.py config/places.py config/archives.py config/assets.py config/
RUN .venv/bin/python -m config.assets
COPY . .
# The keys serve this step only: settings want some, and none may stay in the image.
RUN SECRET_KEY=build RAPPORT_KEY=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= COLLECTING_STATIC=1 \
    .venv/bin/python manage.py collectstatic --noinput

FROM python:3.11-slim
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 LOG_FORMAT=json
RUN useradd --uid 10001 --home-dir /app --shell /usr/sbin/nologin rapport
WORKDIR /app
COPY --from=build --chown=root:root /app /app
RUN mkdir -p var/media var/run var/mail var/backups var/log && chown -R rapport:rapport var
USER rapport
EXPOSE 8000
CMD ["python", "manage.py", "serve", "web"]
