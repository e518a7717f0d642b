// Generated from anomaly.proto, SHA-256 2d5d6cf1f75f19d6cd5f9dd610ffc67dd7cb1adf9daa5d652e3508f227c373f3
// Generated from codec.proto, SHA-256 24f8a99abbba84b570f83c172d73d9eec312b4d1961afeea79924fb6fcdf609a
// Generated from images.proto, SHA-256 4c5447b0e335844b3d4d1b295f207f6cfdd3b40b38c80421011a91b484c84828
// Generated from models.proto, SHA-256 bf93bad3c8eee5957743e0591e1688d1443d2b6984206e545294afb8892cf5ba
export const descriptor: object = {
 "nested": {
  "residuum": {
   "nested": {
    "v1": {
     "nested": {
      "AnomalyService": {
       "methods": {
        "Score": {
         "requestType": "ScoreRequest",
         "responseType": "ScoreResponse"
        },
        "ScoreStream": {
         "requestType": "ScoreRequest",
         "requestStream": true,
         "responseType": "ScoreResponse",
         "responseStream": true
        }
       }
      },
      "ScoreRequest": {
       "oneofs": {
        "images": {
         "oneof": [
          "pixels",
          "files"
         ]
        },
        "_falseAlarmRate": {
         "oneof": [
          "falseAlarmRate"
         ]
        }
       },
       "fields": {
        "model": {
         "type": "ModelRef",
         "id": 1
        },
        "pixels": {
         "type": "Pixels",
         "id": 2
        },
        "files": {
         "type": "Files",
         "id": 3
        },
        "falseAlarmRate": {
         "type": "double",
         "id": 4,
         "options": {
          "proto3_optional": true
         }
        },
        "heatmaps": {
         "type": "bool",
         "id": 5
        },
        "id": {
         "type": "uint64",
         "id": 6
        },
        "partial": {
         "type": "bool",
         "id": 7
        }
       }
      },
      "ScoreResponse": {
       "fields": {
        "results": {
         "rule": "repeated",
         "type": "ImageScore",
         "id": 1
        },
        "model": {
         "type": "ModelRef",
         "id": 2
        },
        "heatScale": {
         "type": "double",
         "id": 3
        },
        "id": {
         "type": "uint64",
         "id": 4
        },
        "errors": {
         "rule": "repeated",
         "type": "ItemError",
         "id": 5
        },
        "status": {
         "type": "google.rpc.Status",
         "id": 6
        }
       }
      },
      "ImageScore": {
       "fields": {
        "score": {
         "type": "double",
         "id": 1
        },
        "pValue": {
         "type": "double",
         "id": 2
        },
        "anomalous": {
         "type": "bool",
         "id": 3
        },
        "scores": {
         "keyType": "string",
         "type": "double",
         "id": 4
        },
        "recordBytes": {
         "type": "uint32",
         "id": 5
        },
        "heatmap": {
         "type": "Heatmap",
         "id": 6
        },
        "regions": {
         "rule": "repeated",
         "type": "Region",
         "id": 7
        }
       }
      },
      "Region": {
       "oneofs": {
        "_pValue": {
         "oneof": [
          "pValue"
         ]
        }
       },
       "fields": {
        "left": {
         "type": "uint32",
         "id": 1
        },
        "top": {
         "type": "uint32",
         "id": 2
        },
        "width": {
         "type": "uint32",
         "id": 3
        },
        "height": {
         "type": "uint32",
         "id": 4
        },
        "area": {
         "type": "uint32",
         "id": 5
        },
        "score": {
         "type": "double",
         "id": 6
        },
        "pValue": {
         "type": "double",
         "id": 7,
         "options": {
          "proto3_optional": true
         }
        }
       }
      },
      "Heatmap": {
       "fields": {
        "height": {
         "type": "uint32",
         "id": 1
        },
        "width": {
         "type": "uint32",
         "id": 2
        },
        "data": {
         "type": "bytes",
         "id": 3
        }
       }
      },
      "Pixels": {
       "fields": {
        "count": {
         "type": "uint32",
         "id": 1
        },
        "height": {
         "type": "uint32",
         "id": 2
        },
        "width": {
         "type": "uint32",
         "id": 3
        },
        "channels": {
         "type": "uint32",
         "id": 4
        },
        "data": {
         "type": "bytes",
         "id": 5
        }
       }
      },
      "Files": {
       "fields": {
        "files": {
         "rule": "repeated",
         "type": "bytes",
         "id": 1
        }
       }
      },
      "ItemError": {
       "fields": {
        "index": {
         "type": "uint32",
         "id": 1
        },
        "code": {
         "type": "int32",
         "id": 2
        },
        "message": {
         "type": "string",
         "id": 3
        }
       }
      },
      "ModelRef": {
       "fields": {
        "name": {
         "type": "string",
         "id": 1
        },
        "version": {
         "type": "string",
         "id": 2
        }
       }
      },
      "CodecService": {
       "methods": {
        "Encode": {
         "requestType": "EncodeRequest",
         "responseType": "EncodeResponse"
        },
        "Decode": {
         "requestType": "DecodeRequest",
         "responseType": "DecodeResponse"
        },
        "EncodeStream": {
         "requestType": "EncodeRequest",
         "requestStream": true,
         "responseType": "EncodeResponse",
         "responseStream": true
        },
        "DecodeStream": {
         "requestType": "DecodeRequest",
         "requestStream": true,
         "responseType": "DecodeResponse",
         "responseStream": true
        }
       }
      },
      "EncodeRequest": {
       "oneofs": {
        "images": {
         "oneof": [
          "pixels",
          "files"
         ]
        },
        "rate": {
         "oneof": [
          "quality",
          "targetBytes",
          "targetPsnr"
         ]
        },
        "_falseAlarmRate": {
         "oneof": [
          "falseAlarmRate"
         ]
        }
       },
       "fields": {
        "model": {
         "type": "ModelRef",
         "id": 1
        },
        "pixels": {
         "type": "Pixels",
         "id": 2
        },
        "files": {
         "type": "Files",
         "id": 3
        },
        "quality": {
         "type": "uint32",
         "id": 4
        },
        "targetBytes": {
         "type": "uint32",
         "id": 6
        },
        "targetPsnr": {
         "type": "double",
         "id": 7
        },
        "id": {
         "type": "uint64",
         "id": 5
        },
        "onAnomaly": {
         "type": "OnAnomaly",
         "id": 8
        },
        "falseAlarmRate": {
         "type": "double",
         "id": 9,
         "options": {
          "proto3_optional": true
         }
        },
        "partial": {
         "type": "bool",
         "id": 10
        }
       }
      },
      "OnAnomaly": {
       "values": {
        "ON_ANOMALY_UNSPECIFIED": 0,
        "ON_ANOMALY_NONE": 1,
        "ON_ANOMALY_EVIDENCE": 2
       }
      },
      "EncodeResponse": {
       "fields": {
        "records": {
         "rule": "repeated",
         "type": "bytes",
         "id": 1
        },
        "model": {
         "type": "ModelRef",
         "id": 2
        },
        "modelId": {
         "type": "bytes",
         "id": 3
        },
        "id": {
         "type": "uint64",
         "id": 4
        },
        "qualities": {
         "rule": "repeated",
         "type": "uint32",
         "id": 5
        },
        "evidenceBytes": {
         "rule": "repeated",
         "type": "uint32",
         "id": 6
        },
        "errors": {
         "rule": "repeated",
         "type": "ItemError",
         "id": 7
        },
        "status": {
         "type": "google.rpc.Status",
         "id": 8
        }
       }
      },
      "DecodeRequest": {
       "fields": {
        "model": {
         "type": "ModelRef",
         "id": 1
        },
        "records": {
         "rule": "repeated",
         "type": "bytes",
         "id": 2
        },
        "format": {
         "type": "ImageFormat",
         "id": 3
        },
        "id": {
         "type": "uint64",
         "id": 4
        },
        "partial": {
         "type": "bool",
         "id": 5
        }
       }
      },
      "DecodeResponse": {
       "oneofs": {
        "images": {
         "oneof": [
          "pixels",
          "files"
         ]
        }
       },
       "fields": {
        "pixels": {
         "type": "Pixels",
         "id": 1
        },
        "files": {
         "type": "Files",
         "id": 2
        },
        "model": {
         "type": "ModelRef",
         "id": 3
        },
        "id": {
         "type": "uint64",
         "id": 4
        },
        "evidence": {
         "rule": "repeated",
         "type": "Evidence",
         "id": 5
        },
        "errors": {
         "rule": "repeated",
         "type": "ItemError",
         "id": 6
        },
        "status": {
         "type": "google.rpc.Status",
         "id": 7
        }
       }
      },
      "Evidence": {
       "fields": {
        "boxes": {
         "rule": "repeated",
         "type": "Box",
         "id": 1
        }
       }
      },
      "Box": {
       "fields": {
        "top": {
         "type": "uint32",
         "id": 1
        },
        "left": {
         "type": "uint32",
         "id": 2
        },
        "height": {
         "type": "uint32",
         "id": 3
        },
        "width": {
         "type": "uint32",
         "id": 4
        }
       }
      },
      "ImageFormat": {
       "values": {
        "IMAGE_FORMAT_UNSPECIFIED": 0,
        "IMAGE_FORMAT_PIXELS": 1,
        "IMAGE_FORMAT_PNG": 2
       }
      },
      "ModelService": {
       "methods": {
        "ListModels": {
         "requestType": "ListModelsRequest",
         "responseType": "ListModelsResponse"
        },
        "GetModel": {
         "requestType": "GetModelRequest",
         "responseType": "GetModelResponse"
        },
        "LoadModel": {
         "requestType": "LoadModelRequest",
         "responseType": "LoadModelResponse"
        },
        "UnloadModel": {
         "requestType": "UnloadModelRequest",
         "responseType": "UnloadModelResponse"
        }
       }
      },
      "Model": {
       "oneofs": {
        "_height": {
         "oneof": [
          "height"
         ]
        },
        "_width": {
         "oneof": [
          "width"
         ]
        }
       },
       "fields": {
        "name": {
         "type": "string",
         "id": 1
        },
        "version": {
         "type": "string",
         "id": 2
        },
        "modelId": {
         "type": "bytes",
         "id": 3
        },
        "family": {
         "type": "string",
         "id": 4
        },
        "channels": {
         "type": "uint32",
         "id": 5
        },
        "height": {
         "type": "uint32",
         "id": 6,
         "options": {
          "proto3_optional": true
         }
        },
        "width": {
         "type": "uint32",
         "id": 7,
         "options": {
          "proto3_optional": true
         }
        },
        "fit": {
         "type": "string",
         "id": 8
        },
        "defaultQuality": {
         "type": "uint32",
         "id": 9
        },
        "qualityLevels": {
         "type": "uint32",
         "id": 10
        },
        "falseAlarmRate": {
         "type": "double",
         "id": 11
        },
        "calibrationImages": {
         "type": "uint32",
         "id": 12
        },
        "provider": {
         "type": "string",
         "id": 13
        },
        "bundleBytes": {
         "type": "uint64",
         "id": 14
        },
        "falseAlarmRateBound": {
         "type": "double",
         "id": 15
        },
        "bundleDigest": {
         "type": "bytes",
         "id": 16
        }
       }
      },
      "ListModelsRequest": {
       "fields": {}
      },
      "ListModelsResponse": {
       "fields": {
        "models": {
         "rule": "repeated",
         "type": "Model",
         "id": 1
        }
       }
      },
      "GetModelRequest": {
       "fields": {
        "model": {
         "type": "ModelRef",
         "id": 1
        }
       }
      },
      "GetModelResponse": {
       "fields": {
        "model": {
         "type": "Model",
         "id": 1
        },
        "card": {
         "type": "string",
         "id": 2
        },
        "manifestJson": {
         "type": "string",
         "id": 3
        }
       }
      },
      "LoadModelRequest": {
       "fields": {
        "bundle": {
         "type": "string",
         "id": 1
        }
       }
      },
      "LoadModelResponse": {
       "fields": {
        "model": {
         "type": "Model",
         "id": 1
        }
       }
      },
      "UnloadModelRequest": {
       "fields": {
        "model": {
         "type": "ModelRef",
         "id": 1
        }
       }
      },
      "UnloadModelResponse": {
       "fields": {}
      }
     }
    }
   }
  },
  "google": {
   "nested": {
    "protobuf": {
     "nested": {
      "Any": {
       "fields": {
        "type_url": {
         "type": "string",
         "id": 1
        },
        "value": {
         "type": "bytes",
         "id": 2
        }
       }
      },
      "Duration": {
       "fields": {
        "seconds": {
         "type": "int64",
         "id": 1
        },
        "nanos": {
         "type": "int32",
         "id": 2
        }
       }
      }
     }
    },
    "rpc": {
     "options": {
      "go_package": "google.golang.org/genproto/googleapis/rpc/status;status",
      "java_multiple_files": true,
      "java_outer_classname": "StatusProto",
      "java_package": "com.google.rpc",
      "objc_class_prefix": "RPC"
     },
     "nested": {
      "Status": {
       "fields": {
        "code": {
         "type": "int32",
         "id": 1
        },
        "message": {
         "type": "string",
         "id": 2
        },
        "details": {
         "rule": "repeated",
         "type": "google.protobuf.Any",
         "id": 3
        }
       }
      },
      "RetryInfo": {
       "fields": {
        "retryDelay": {
         "type": "google.protobuf.Duration",
         "id": 1
        }
       }
      }
     }
    }
   }
  },
  "grpc": {
   "nested": {
    "health": {
     "nested": {
      "v1": {
       "nested": {
        "Health": {
         "methods": {
          "Check": {
           "requestType": "HealthCheckRequest",
           "responseType": "HealthCheckResponse"
          }
         }
        },
        "HealthCheckRequest": {
         "fields": {
          "service": {
           "type": "string",
           "id": 1
          }
         }
        },
        "HealthCheckResponse": {
         "fields": {
          "status": {
           "type": "ServingStatus",
           "id": 1
          }
         },
         "nested": {
          "ServingStatus": {
           "values": {
            "UNKNOWN": 0,
            "SERVING": 1,
            "NOT_SERVING": 2,
            "SERVICE_UNKNOWN": 3
           }
          }
         }
        }
       }
      }
     }
    }
   }
  }
 }
};
