import type { Heatmap as _residuum_v1_Heatmap, Heatmap__Output as _residuum_v1_Heatmap__Output } from '../../residuum/v1/Heatmap.js';
import type { Region as _residuum_v1_Region, Region__Output as _residuum_v1_Region__Output } from '../../residuum/v1/Region.js';

export interface ImageScore {
  'score'?: (number | string);
  'pValue'?: (number | string);
  'anomalous'?: (boolean);
  'scores'?: ({[key: string]: number | string});
  'recordBytes'?: (number);
  'heatmap'?: (_residuum_v1_Heatmap | null);
  'regions'?: (_residuum_v1_Region)[];
}

export interface ImageScore__Output {
  'score': (number);
  'pValue': (number);
  'anomalous': (boolean);
  'scores': ({[key: string]: number});
  'recordBytes': (number);
  'heatmap': (_residuum_v1_Heatmap__Output | null);
  'regions': (_residuum_v1_Region__Output)[];
}
