// Package etcdkv is a [kv.DB] in etcd.
package etcdkv
