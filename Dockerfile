# One image for all modes: `docker run IMAGE api | worker | fanout-router | batch-scheduler | provision | keys ...`; the target `bedrock-emulator` is the
# local stand-in for Bedrock. Node runs the TypeScript as it stands, so there is nothing to build but the dependencies.

FROM node:24-bookworm-slim AS base
WORKDIR /app
ENV NODE_ENV=production

FROM base AS dependencies
COPY package.json package-lock.json ./
# No package of ours needs an install script in production; the one that does (node itself) is the base image's.
# Types, source maps and the bundles of echarts for browsers are a good half of the rest, and nothing loads them.
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --ignore-scripts \
  && rm -rf node_modules/echarts/dist \
  && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete

FROM base AS bedrock-emulator
COPY --from=dependencies /app/node_modules/ node_modules/
COPY package.json ./
COPY local/bedrock/ local/bedrock/
ENV EMULATOR_HOST=0.0.0.0 EMULATOR_PORT=4568
USER node
EXPOSE 4568
HEALTHCHECK --interval=5s --timeout=3s --start-period=5s --retries=5 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.EMULATOR_PORT}/_emulator/health`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "local/bedrock/main.ts"]

# Last, so that it is what a plain `docker build` makes.
FROM base AS service
COPY --from=dependencies /app/node_modules/ node_modules/
COPY package.json LICENSE ./
COPY config/ config/
COPY web/ web/
COPY src/ src/
# Tests lie beside the source; the image has no use for them.
RUN find src -name '*.test.ts' -delete
ENV PENSTOCK_OPS_PORT=9464
USER node
EXPOSE 8080 9464
# /live looks at nothing outside the process: an outage of a store must not kill the fleet.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PENSTOCK_OPS_PORT}/live`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "src/main.ts"]
CMD ["api"]
