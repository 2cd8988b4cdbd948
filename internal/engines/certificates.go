package engines

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// certificates are a CA and a node's certificate and key, in PEM.
type certificates struct{ ca, node, nodeKey []byte }

// certificateLife is longer than any test runs, before and after the clock that
// a container may have.
const certificateLife = 24 * time.Hour

// newCertificates makes a CA that exists for this one node of 127.0.0.1.
func newCertificates() (certificates, error) {
	now := time.Now()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificates{}, err
	}
	nodeKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificates{}, err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "muster test CA"},
		NotBefore: now.Add(-certificateLife), NotAfter: now.Add(certificateLife),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	node := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "node"},
		NotBefore: now.Add(-certificateLife), NotAfter: now.Add(certificateLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	caBytes, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return certificates{}, err
	}
	nodeBytes, err := x509.CreateCertificate(rand.Reader, node, ca, nodeKey.Public(), caKey)
	if err != nil {
		return certificates{}, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(nodeKey)
	return certificates{
		ca:      pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caBytes}),
		node:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: nodeBytes}),
		nodeKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	}, err
}
