// Package g711 is ITU-T G.711: µ-law and A-law by table.
package g711
