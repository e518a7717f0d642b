import type { Box as _residuum_v1_Box, Box__Output as _residuum_v1_Box__Output } from '../../residuum/v1/Box.js';

export interface Evidence {
  'boxes'?: (_residuum_v1_Box)[];
}

export interface Evidence__Output {
  'boxes': (_residuum_v1_Box__Output)[];
}
