import { getNumberFromEnv, getStringFromEnv } from '@opentelemetry/core';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace';

const samplers: Record<string, (ratio: number) => Sampler> = {
  always_on: () => new AlwaysOnSampler(),
  always_off: () => new AlwaysOffSampler(),
  traceidratio: (ratio) => new TraceIdRatioBasedSampler(ratio),
  parentbased_always_on: () => new ParentBasedSampler({ root: new AlwaysOnSampler() }),
  parentbased_always_off: () => new ParentBasedSampler({ root: new AlwaysOffSampler() }),
  parentbased_traceidratio: (ratio) => new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
};
const usual = 'parentbased_always_on';

/**
 * Which traces are recorded: OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG, as the specification has them; since its
 * version 3 the SDK itself reads them no more
 * (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
 * A name that it does not know is told and means the usual one.
 */
export function samplerOf(complain: (message: string) => void): Sampler {
  const name = getStringFromEnv('OTEL_TRACES_SAMPLER') ?? usual;
  const ratio = getNumberFromEnv('OTEL_TRACES_SAMPLER_ARG') ?? 1;
  const known = Object.hasOwn(samplers, name) ? samplers[name] : undefined;
  if (known !== undefined) return known(ratio);
  complain(`OTEL_TRACES_SAMPLER: there is no ${name}; ${usual} is used`);
  return new ParentBasedSampler({ root: new AlwaysOnSampler() });
}
