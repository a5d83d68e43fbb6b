# One image for every command: `docker run hookpoint worker`, `... topics`, `... simulate`.
FROM python:3.12.12-slim-bookworm AS build
WORKDIR /src
# The environment gets no pip of its own, so none is left in the image's PATH.
RUN python -m venv --without-pip /opt/hookpoint
# The core is compiled here, and the compiler stays here.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml setup.py README.md LICENSE ./
COPY config config
COPY consumers consumers
COPY hookpoint hookpoint
COPY producers producers
COPY streams streams
RUN HOOKPOINT_COMPILE=1 pip --python /opt/hookpoint/bin/python install --no-cache-dir .

FROM python:3.12.12-slim-bookworm
RUN pip uninstall --yes --quiet --root-user-action=ignore pip \
    && useradd --system --uid 10001 --create-home --shell /usr/sbin/nologin hookpoint
COPY --from=build /opt/hookpoint /opt/hookpoint
ENV PATH=/opt/hookpoint/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOOKPOINT_LOG_FORMAT=json
USER 10001
WORKDIR /home/hookpoint
ENTRYPOINT ["hookpoint"]
CMD ["--help"]
