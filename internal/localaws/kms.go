package localaws

import (
	"strings"
	"sync"
	"time"
)

// encryptionKeys is KMS without any encryption: keys, and their end. Safe for
// concurrent use.
type encryptionKeys struct {
	s *Server

	mu   sync.Mutex
	keys map[string]*encryptionKey // by id
}

type encryptionKey struct {
	id, arn, description, state string
	created, deletion           time.Time
}

func newEncryptionKeys(s *Server) *encryptionKeys {
	return &encryptionKeys{s: s, keys: make(map[string]*encryptionKey)}
}

func (k *encryptionKeys) operations() map[string]operation {
	return map[string]operation{
		"CreateKey":           typed(locked(&k.mu, k.create)),
		"DescribeKey":         typed(locked(&k.mu, k.describe)),
		"ScheduleKeyDeletion": typed(locked(&k.mu, k.schedule)),
		"CancelKeyDeletion":   typed(locked(&k.mu, k.cancel)),
	}
}

func (k *encryptionKeys) create(c *call, in struct{ Description string }) (answer, error) {
	id := newUUID()
	key := &encryptionKey{id: id, arn: c.arn("key/" + id), description: in.Description, state: "Enabled", created: c.Time}
	k.keys[id] = key
	c.touch("AWS::KMS::Key", key.arn)
	c.record(nil, answer{"keyMetadata": key.metadata(c)})
	k.picture(c, key)
	return answer{"KeyMetadata": key.metadata(c)}, nil
}

func (key *encryptionKey) metadata(c *call) answer {
	return answer{
		"AWSAccountId": c.Account, "KeyId": key.id, "Arn": key.arn, "Description": key.description, "KeyState": key.state,
		"Enabled": key.state == "Enabled", "CreationDate": float64(key.created.UnixMilli()) / 1000,
		"KeyUsage": "ENCRYPT_DECRYPT", "KeyManager": "CUSTOMER", "Origin": "AWS_KMS",
	}
}

// find returns a key by its id or ARN.
func (k *encryptionKeys) find(c *call, id string) (*encryptionKey, error) {
	key := k.keys[id[strings.LastIndexByte(id, '/')+1:]]
	if key == nil {
		return nil, failf("NotFoundException", "Key '%s' does not exist", c.arn("key/"+id))
	}
	c.touch("AWS::KMS::Key", key.arn)
	return key, nil
}

func (k *encryptionKeys) describe(c *call, in struct{ KeyID string }) (answer, error) {
	key, err := k.find(c, in.KeyID)
	if err != nil {
		return nil, err
	}
	return answer{"KeyMetadata": key.metadata(c)}, nil
}

// The days that a key waits for its end.
const leastWait, mostWait = 7, 30

func (k *encryptionKeys) schedule(c *call, in struct {
	KeyID  string
	Window int `json:"PendingWindowInDays"`
},
) (answer, error) {
	key, err := k.find(c, in.KeyID)
	if err != nil {
		return nil, err
	}
	if in.Window == 0 {
		in.Window = mostWait
	}
	switch {
	case in.Window < leastWait || in.Window > mostWait:
		return nil, failf("ValidationException", "Pending window in days must be between 7 and 30 inclusive.")
	case key.state == "PendingDeletion":
		return nil, failf("KMSInvalidStateException", "%s is pending deletion.", key.arn)
	}
	key.state, key.deletion = "PendingDeletion", c.Time.AddDate(0, 0, in.Window)
	c.record(nil, answer{"keyId": key.arn, "keyState": key.state, "deletionDate": key.deletion.Format("Jan 2, 2006, 3:04:05 PM"), "pendingWindowInDays": in.Window})
	k.picture(c, key)
	return answer{
		"KeyId": key.arn, "KeyState": key.state, "PendingWindowInDays": in.Window,
		"DeletionDate": float64(key.deletion.UnixMilli()) / 1000,
	}, nil
}

func (k *encryptionKeys) cancel(c *call, in struct{ KeyID string }) (answer, error) {
	key, err := k.find(c, in.KeyID)
	if err != nil {
		return nil, err
	}
	if key.state != "PendingDeletion" {
		return nil, failf("KMSInvalidStateException", "%s is not pending deletion.", key.arn)
	}
	key.state = "Disabled" // until somebody enables it
	k.picture(c, key)
	return answer{"KeyId": key.arn}, nil
}

func (k *encryptionKeys) picture(c *call, key *encryptionKey) {
	k.s.config.changed(c, resource{"AWS::KMS::Key", key.id, key.id, key.arn}, key.metadata(c))
}
