import type { Long } from '@grpc/proto-loader';

export interface Model {
  'name'?: (string);
  'version'?: (string);
  'modelId'?: (Buffer | Uint8Array | string);
  'family'?: (string);
  'channels'?: (number);
  'height'?: (number);
  'width'?: (number);
  'fit'?: (string);
  'defaultQuality'?: (number);
  'qualityLevels'?: (number);
  'falseAlarmRate'?: (number | string);
  'calibrationImages'?: (number);
  'provider'?: (string);
  'bundleBytes'?: (number | string | Long);
  'falseAlarmRateBound'?: (number | string);
  'bundleDigest'?: (Buffer | Uint8Array | string);
  '_height'?: "height";
  '_width'?: "width";
}

export interface Model__Output {
  'name': (string);
  'version': (string);
  'modelId': (Buffer);
  'family': (string);
  'channels': (number);
  'height'?: (number);
  'width'?: (number);
  'fit': (string);
  'defaultQuality': (number);
  'qualityLevels': (number);
  'falseAlarmRate': (number);
  'calibrationImages': (number);
  'provider': (string);
  'bundleBytes': (number);
  'falseAlarmRateBound': (number);
  'bundleDigest': (Buffer);
  '_height'?: "height";
  '_width'?: "width";
}
