package pbx

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// listen opens the sockets; both transports share one port number.
func (p *PBX) listen(cfg Config) error {
	udp, tcp := cfg.Transport != "tcp", cfg.Transport != "udp"
	switch cfg.Transport {
	case "udp", "tcp", "both", "":
	default:
		return fmt.Errorf("%w %q", ErrTransport, cfg.Transport)
	}
	var err error
	for range 20 { // a free UDP port may be taken as a TCP port
		if err = p.open(cfg, udp, tcp); err == nil || cfg.Port != 0 {
			break
		}
	}
	return err
}

func (p *PBX) open(cfg Config, udp, tcp bool) error {
	var config net.ListenConfig
	address := net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port))
	if udp {
		packets, err := config.ListenPacket(context.Background(), "udp", address)
		if err != nil {
			return fmt.Errorf("pbx: SIP over UDP: %w", err)
		}
		p.packets = packets
		address = packets.LocalAddr().String()
	}
	if tcp {
		streams, err := config.Listen(context.Background(), "tcp", address)
		if err != nil {
			if p.packets != nil {
				_ = p.packets.Close()
				p.packets = nil
			}
			return fmt.Errorf("pbx: SIP over TCP: %w", err)
		}
		p.streams = streams
		address = streams.Addr().String()
	}
	local, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("pbx: %w", err)
	}
	p.port = int(local.Port())
	return nil
}

// connect makes a client for each transport. Over UDP requests leave from the
// socket that listens, over TCP from a connection of their own or the one that
// is there.
func (p *PBX) connect(logger *slog.Logger) error {
	options := []sipgo.ClientOption{sipgo.WithClientLogger(logger), sipgo.WithClientHostname(p.host)}
	if p.streams != nil {
		client, err := sipgo.NewClient(p.agent, options...)
		if err != nil {
			return fmt.Errorf("pbx: %w", err)
		}
		p.clients["tcp"] = client
	}
	if p.packets != nil {
		client, err := sipgo.NewClient(p.agent, append(options, sipgo.WithClientConnectionAddr(p.Addr()))...)
		if err != nil {
			return fmt.Errorf("pbx: %w", err)
		}
		p.clients["udp"] = client
	}
	return nil
}

// dialogs are the dialog rules of sipgo for one transport, with our Contact.
func (p *PBX) dialogs(transport, user string) *sipgo.DialogUA {
	contact := sip.ContactHeader{Address: sip.Uri{Scheme: "sip", User: user, Host: p.host, Port: p.port}}
	if transport == "tcp" {
		contact.Address.UriParams = sip.NewParams()
		contact.Address.UriParams.Add("transport", "tcp")
	}
	return &sipgo.DialogUA{Client: p.clients[transport], ContactHDR: contact}
}
