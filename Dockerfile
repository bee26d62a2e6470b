# Collector's image: `docker build -t collector .`, or with buildah or podman. Everything is made in the first stage; the
# second has only what runs. For another platform: `docker buildx build --platform linux/arm64 .`
ARG NODE_VERSION=22
FROM node:${NODE_VERSION}-bookworm-slim AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends binutils clang g++ libbpf-dev libcap2-bin make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN node_modules/.bin/tsx scripts/build.ts
RUN scripts/image/root.sh /image
# Code that V8 compiled, for the versions of Node that can keep it (22 on): the daemon starts in less time.
RUN export NODE_COMPILE_CACHE=/opt/collector/cache \
    && chroot /image /usr/local/bin/collector --version \
    && chroot /image /usr/local/bin/collector help
# What a user who is not root may be given, as far as whoever runs the image allows it. Collector says what is missing.
RUN setcap cap_bpf,cap_perfmon,cap_net_admin,cap_sys_ptrace,cap_dac_read_search+p /image/usr/local/bin/node

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Collector" \
      org.opencontainers.image.description="Watches what runs and what connects inside the containers of a Kubernetes node, through eBPF" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image /
ENV PATH=/usr/local/bin COLLECTOR_HOST_ROOT=/host NODE_ENV=production NODE_COMPILE_CACHE=/opt/collector/cache
# The group that the sockets of container runtimes belong to.
USER 65532:0
EXPOSE 8080 9090
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["/usr/local/bin/status-check.sh"]
ENTRYPOINT ["/usr/local/bin/node", "/opt/collector/dist/collector.js"]
