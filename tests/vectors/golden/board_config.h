// Pins and rates of board 'nrf52840dk_sim7600e'. Rendered; do not edit.
// A pin is port * 32 + pin, as the PSEL registers take it.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_BOARD_CONFIG_H
#define OTA_BOARD_CONFIG_H

#define OTA_BOARD_NAME "nrf52840dk_sim7600e"
#define OTA_PIN_NONE 0xFFFFFFFFu

#define OTA_CONSOLE_UART 0
#define OTA_CONSOLE_TXD 6u
#define OTA_CONSOLE_RXD 8u
#define OTA_CONSOLE_BAUD 115200u

#define OTA_MODEM_UART 1
#define OTA_MODEM_TXD 34u
#define OTA_MODEM_RXD 33u
#define OTA_MODEM_RTS OTA_PIN_NONE
#define OTA_MODEM_CTS OTA_PIN_NONE
#define OTA_MODEM_FLOW_CONTROL 0
#define OTA_MODEM_PWRKEY 35u
#define OTA_MODEM_PWRKEY_ACTIVE_HIGH 1
#define OTA_MODEM_BAUD 115200u
#define OTA_MODEM_BAUD_FAST 460800u

#define OTA_LED_PIN 13u
#define OTA_LED_ACTIVE_HIGH 0

#endif
