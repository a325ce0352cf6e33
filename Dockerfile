# The service, small and without a shell's worth of tools: only what runs it is in the last stage.

FROM node:22-bookworm-slim AS build
WORKDIR /app
# better-sqlite3 is compiled where no prebuilt fits
RUN apt-get update && apt-get install -y --no-install-recommends python3 make g++ && rm -rf /var/lib/apt/lists/*
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts && npm rebuild better-sqlite3 esbuild
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:22-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 DATABASE_URL=file:/data/chat.db FILES_DIR=/data/files
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# a volume takes the owner of the folder that it covers
RUN mkdir /data /files && chown node:node /data /files
USER node
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# ten seconds is what the service needs at most to end its streams and requests
STOPSIGNAL SIGTERM
CMD ["node", "dist/server.js"]
