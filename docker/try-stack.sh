#!/usr/bin/env bash
# The whole stack once, from nothing to nothing: up, one of everything from outside, every query of the dashboards, down.
#   docker/try-stack.sh                    all services
#   docker/try-stack.sh api worker ...     these, and what they need
# It is a project of its own, on its own ports, and leaves a stack that runs already alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export COMPOSE_PROJECT_NAME=penstock-try
export PENSTOCK_PORT=18080 PENSTOCK_LOCAL_AWS_PORT=14566 EMULATOR_PORT=14568 PROMETHEUS_PORT=19090 GRAFANA_PORT=13000
export PENSTOCK_URL=http://127.0.0.1:$PENSTOCK_PORT EMULATOR_URL=http://127.0.0.1:$EMULATOR_PORT PROMETHEUS_URL=http://127.0.0.1:$PROMETHEUS_PORT

end() {
  local status=$?
  [[ $status -eq 0 ]] || docker compose logs --tail 40 --no-color api worker fanout-router batch-scheduler || true
  docker compose down --volumes --timeout 40 >/dev/null 2>&1 || true
  exit "$status"
}
trap end EXIT

docker compose run --rm --no-deps --entrypoint promtool prometheus test rules /etc/prometheus/tests/alerts.test.yml
started=$SECONDS
docker compose up --build --wait --quiet-pull --scale worker=2 "$@"
echo "ready after $((SECONDS - started)) s"
node docker/smoke.mjs
# Rates need some scrapes, rules two evaluations, and slots_wanted is looked at every 30 s.
for attempt in 1 2 3 4 5 6; do
  sleep 15
  [[ $attempt -eq 6 ]] || node docker/check-queries.mjs >/dev/null || continue
  node docker/check-queries.mjs
  break
done
