import type { ModelRef as _residuum_v1_ModelRef, ModelRef__Output as _residuum_v1_ModelRef__Output } from '../../residuum/v1/ModelRef.js';
import type { Pixels as _residuum_v1_Pixels, Pixels__Output as _residuum_v1_Pixels__Output } from '../../residuum/v1/Pixels.js';
import type { Files as _residuum_v1_Files, Files__Output as _residuum_v1_Files__Output } from '../../residuum/v1/Files.js';
import type { OnAnomaly as _residuum_v1_OnAnomaly, OnAnomaly__Output as _residuum_v1_OnAnomaly__Output } from '../../residuum/v1/OnAnomaly.js';
import type { Long } from '@grpc/proto-loader';

export interface EncodeRequest {
  'model'?: (_residuum_v1_ModelRef | null);
  'pixels'?: (_residuum_v1_Pixels | null);
  'files'?: (_residuum_v1_Files | null);
  'quality'?: (number);
  'id'?: (number | string | Long);
  'targetBytes'?: (number);
  'targetPsnr'?: (number | string);
  'onAnomaly'?: (_residuum_v1_OnAnomaly);
  'falseAlarmRate'?: (number | string);
  'partial'?: (boolean);
  'images'?: "pixels"|"files";
  'rate'?: "quality"|"targetBytes"|"targetPsnr";
  '_falseAlarmRate'?: "falseAlarmRate";
}

export interface EncodeRequest__Output {
  'model': (_residuum_v1_ModelRef__Output | null);
  'pixels'?: (_residuum_v1_Pixels__Output | null);
  'files'?: (_residuum_v1_Files__Output | null);
  'quality'?: (number);
  'id': (number);
  'targetBytes'?: (number);
  'targetPsnr'?: (number);
  'onAnomaly': (_residuum_v1_OnAnomaly__Output);
  'falseAlarmRate'?: (number);
  'partial': (boolean);
  'images'?: "pixels"|"files";
  'rate'?: "quality"|"targetBytes"|"targetPsnr";
  '_falseAlarmRate'?: "falseAlarmRate";
}
