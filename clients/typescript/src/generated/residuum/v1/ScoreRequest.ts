import type { ModelRef as _residuum_v1_ModelRef, ModelRef__Output as _residuum_v1_ModelRef__Output } from '../../residuum/v1/ModelRef.js';
import type { Pixels as _residuum_v1_Pixels, Pixels__Output as _residuum_v1_Pixels__Output } from '../../residuum/v1/Pixels.js';
import type { Files as _residuum_v1_Files, Files__Output as _residuum_v1_Files__Output } from '../../residuum/v1/Files.js';
import type { Long } from '@grpc/proto-loader';

export interface ScoreRequest {
  'model'?: (_residuum_v1_ModelRef | null);
  'pixels'?: (_residuum_v1_Pixels | null);
  'files'?: (_residuum_v1_Files | null);
  'falseAlarmRate'?: (number | string);
  'heatmaps'?: (boolean);
  'id'?: (number | string | Long);
  'partial'?: (boolean);
  'images'?: "pixels"|"files";
  '_falseAlarmRate'?: "falseAlarmRate";
}

export interface ScoreRequest__Output {
  'model': (_residuum_v1_ModelRef__Output | null);
  'pixels'?: (_residuum_v1_Pixels__Output | null);
  'files'?: (_residuum_v1_Files__Output | null);
  'falseAlarmRate'?: (number);
  'heatmaps': (boolean);
  'id': (number);
  'partial': (boolean);
  'images'?: "pixels"|"files";
  '_falseAlarmRate'?: "falseAlarmRate";
}
