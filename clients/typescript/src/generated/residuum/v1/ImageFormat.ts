export const ImageFormat = {
  IMAGE_FORMAT_UNSPECIFIED: 'IMAGE_FORMAT_UNSPECIFIED',
  IMAGE_FORMAT_PIXELS: 'IMAGE_FORMAT_PIXELS',
  IMAGE_FORMAT_PNG: 'IMAGE_FORMAT_PNG',
} as const;

export type ImageFormat =
  | 'IMAGE_FORMAT_UNSPECIFIED'
  | 0
  | 'IMAGE_FORMAT_PIXELS'
  | 1
  | 'IMAGE_FORMAT_PNG'
  | 2

export type ImageFormat__Output = typeof ImageFormat[keyof typeof ImageFormat]
