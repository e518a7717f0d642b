export const OnAnomaly = {
  ON_ANOMALY_UNSPECIFIED: 'ON_ANOMALY_UNSPECIFIED',
  ON_ANOMALY_NONE: 'ON_ANOMALY_NONE',
  ON_ANOMALY_EVIDENCE: 'ON_ANOMALY_EVIDENCE',
} as const;

export type OnAnomaly =
  | 'ON_ANOMALY_UNSPECIFIED'
  | 0
  | 'ON_ANOMALY_NONE'
  | 1
  | 'ON_ANOMALY_EVIDENCE'
  | 2

export type OnAnomaly__Output = typeof OnAnomaly[keyof typeof OnAnomaly]
