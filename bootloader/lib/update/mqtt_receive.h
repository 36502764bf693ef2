// Messages that arrive, and the end of the connection: the listener of the MQTT
// client. Part of sim7600_mqtt; nothing else includes this.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_MQTT_RECEIVE_H
#define OTA_MQTT_RECEIVE_H

#include "sim7600_mqtt.h"

// See at_listen; `owner` is the client.
bool mqtt_receive(void *owner);

#endif
