# The server as a container image; docs/INSTALL.md says how to run it.

# This image has compilers, for the one package that may need them. The pinned Node package is a dev dependency; the
# image's own Node has the same version (a test checks that).
FROM node:24.21.0-trixie AS packages
WORKDIR /opt/countersign
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund --no-update-notifier && ln -s /usr/local/bin/node node_modules/.bin/node

FROM node:24.21.0-trixie-slim
COPY . /opt/countersign
COPY --from=packages /opt/countersign/node_modules /opt/countersign/node_modules
# A volume that is first mounted there takes over this owner.
RUN ln -s /opt/countersign/scripts/countersign /usr/local/bin/ \
  && mkdir -m 0700 /var/lib/countersign && chown 65532:65532 /var/lib/countersign
# Compiled code is kept there too, since nothing else can be written: see scripts/countersign.
ENV COUNTERSIGN_DATA_DIRECTORY=/var/lib/countersign/data \
    COUNTERSIGN_KEYS_DIRECTORY=/var/lib/countersign/keys \
    COUNTERSIGN_LISTEN_HOST=0.0.0.0 \
    NODE_COMPILE_CACHE=/var/lib/countersign/compiled
# A number, so that Kubernetes can tell that it is not root.
USER 65532:65532
VOLUME /var/lib/countersign
EXPOSE 4443
ENTRYPOINT ["countersign"]
CMD ["serve", "--quiet"]
