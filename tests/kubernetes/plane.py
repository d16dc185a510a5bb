"""A Kubernetes of one machine: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, containerd and a kubelet, all on 127.0.0.1 and under one
folder. start() brings them up one after another, each when the one before answers; call() speaks the API. Made for a pid, mount and network namespace
of its own (tests/kubernetes/suite makes one): there all of it ends with its first process."""
import base64, http.client, json, os, secrets, shutil, socket, ssl, subprocess, time

# a node's address may not be a loopback's: it is put on lo, in the network namespace of our own, where nothing else is reached by it
NODE_IP = '10.96.1.1'

def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]

class Refused(Exception):
    def __init__(self, status, body):
        self.status, self.body = status, body
        super().__init__('%s: %s' % (status, body.get('message', body) if isinstance(body, dict) else body))

class Plane:
    def __init__(self, folder, bin_dir, patience=1.0):
        self.folder, self.bin, self.patience = folder, bin_dir, patience
        self.procs = {}
        self.tokens = {}
        self.ports = {}
        for name in ('log', 'etc', 'cni'):
            os.makedirs(os.path.join(folder, name), exist_ok=True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, text):
        with open(self.path('etc', name), 'w') as f:
            f.write(text if isinstance(text, str) else json.dumps(text))
        os.chmod(self.path('etc', name), 0o600)
        return self.path('etc', name)

    def spawn(self, name, argv, env=None):
        log = open(self.path('log', name), 'ab')
        self.procs[name] = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=dict(os.environ, **(env or {})))

    def tail(self, name, n=5):
        return ''.join(open(self.path('log', name), errors='replace').readlines()[-n:])

    def wait(self, what, ready, seconds, name=None):
        """Until ready() is true; a process that ends meanwhile is told with the end of its log."""
        end = time.monotonic() + seconds * self.patience
        why = ''
        while True:
            try:
                if ready():
                    return
            except (OSError, Refused, http.client.HTTPException, KeyError) as e:
                why = ': %s' % e
            for each in (name,) if name else self.procs:
                if self.procs[each].poll() is not None:
                    raise SystemExit('%s ended (%s):\n%s' % (each, self.procs[each].returncode, self.tail(each, 20)))
            if time.monotonic() > end:
                raise SystemExit('waited %d s for %s%s%s' % (seconds * self.patience, what, why, '\n' + self.tail(name, 20) if name else ''))
            time.sleep(0.2)

    def get(self, port, path, tls=False):
        c = (http.client.HTTPSConnection('127.0.0.1', port, timeout=10, context=ssl._create_unverified_context()) if tls
             else http.client.HTTPConnection('127.0.0.1', port, timeout=10))
        c.request('GET', path)
        return c.getresponse().status == 200

    def call(self, method, path, body=None, as_user='admin', kind='application/json', token=None):
        """One request of the API: the answer's object; Refused where it is an error."""
        c = http.client.HTTPSConnection('127.0.0.1', self.ports['api'], timeout=60, context=ssl._create_unverified_context())
        c.request(method, path, json.dumps(body) if body is not None else None,
                  {'Authorization': 'Bearer ' + (token or self.tokens[as_user]), 'Content-Type': kind, 'Accept': 'application/json'})
        answer = c.getresponse()
        text = answer.read()
        try:
            told = json.loads(text) if text else {}
        except ValueError:
            told = text.decode(errors='replace')
        if answer.status >= 300:
            raise Refused(answer.status, told)
        return told

    def kubeconfig(self, user):
        return self.write(user + '.kubeconfig', {
            'apiVersion': 'v1', 'kind': 'Config', 'current-context': 'it',
            'clusters': [{'name': 'it', 'cluster': {'server': 'https://127.0.0.1:%d' % self.ports['api'], 'insecure-skip-tls-verify': True}}],
            'users': [{'name': user, 'user': {'token': self.tokens[user]}}],
            'contexts': [{'name': 'it', 'context': {'cluster': 'it', 'user': user}}]})

    def start(self, node='node-1'):
        self.node = node
        users = [('admin', 'admin', 'system:masters'), ('kcm', 'system:kube-controller-manager', ''), ('scheduler', 'system:kube-scheduler', ''),
                 ('kubelet', 'system:node:' + node, 'system:nodes')]
        for name, _, _ in users:
            self.tokens[name] = secrets.token_hex(16)
        tokens = self.write('tokens.csv', ''.join('%s,%s,%s,"%s"\n' % (self.tokens[n], user, n, group) for n, user, group in users))
        key = self.path('etc', 'service-accounts.key')
        subprocess.run(['openssl', 'genrsa', '-out', key, '2048'], check=True, capture_output=True)
        self.start_etcd()
        self.start_api(tokens, key)
        self.ports['kcm'], self.ports['scheduler'] = free_port(), free_port()
        self.spawn('kube-controller-manager', [
            self.bin + '/kube-controller-manager', '--kubeconfig=' + self.kubeconfig('kcm'), '--use-service-account-credentials=true',
            '--service-account-private-key-file=' + key, '--root-ca-file=' + self.path('etc', 'apiserver.crt'), '--bind-address=127.0.0.1',
            '--secure-port=%d' % self.ports['kcm'], '--cert-dir=' + self.path('etc', 'kcm'), '--leader-elect=false', '--v=0'])
        self.spawn('kube-scheduler', [
            self.bin + '/kube-scheduler', '--kubeconfig=' + self.kubeconfig('scheduler'), '--bind-address=127.0.0.1',
            '--secure-port=%d' % self.ports['scheduler'], '--cert-dir=' + self.path('etc', 'scheduler'), '--leader-elect=false', '--v=0'])
        self.wait('kube-controller-manager', lambda: self.get(self.ports['kcm'], '/healthz', tls=True), 120, 'kube-controller-manager')
        self.wait('kube-scheduler', lambda: self.get(self.ports['scheduler'], '/healthz', tls=True), 120, 'kube-scheduler')
        self.wait("the default service account", lambda: self.call('GET', '/api/v1/namespaces/default/serviceaccounts/default'), 120)

    def start_etcd(self):
        client, peer = free_port(), free_port()
        self.ports['etcd'] = client
        self.spawn('etcd', ['etcd', '--name=it', '--data-dir=' + self.path('etcd'), '--listen-client-urls=http://127.0.0.1:%d' % client,
                            '--advertise-client-urls=http://127.0.0.1:%d' % client, '--listen-peer-urls=http://127.0.0.1:%d' % peer,
                            '--initial-advertise-peer-urls=http://127.0.0.1:%d' % peer, '--initial-cluster=it=http://127.0.0.1:%d' % peer,
                            '--heartbeat-interval=500', '--election-timeout=5000', '--log-outputs=stderr'], {'ETCD_UNSUPPORTED_ARCH': ''})
        self.wait('etcd', lambda: self.get(client, '/health'), 60, 'etcd')

    def start_api(self, tokens, key):
        self.ports['api'] = free_port()
        self.spawn('kube-apiserver', [
            self.bin + '/kube-apiserver', '--etcd-servers=http://127.0.0.1:%d' % self.ports['etcd'], '--bind-address=127.0.0.1',
            '--secure-port=%d' % self.ports['api'], '--advertise-address=' + NODE_IP, '--cert-dir=' + self.path('etc'), '--authorization-mode=Node,RBAC', '--token-auth-file=' + tokens,
            '--service-account-issuer=https://it.test', '--service-account-key-file=' + key, '--service-account-signing-key-file=' + key,
            '--service-cluster-ip-range=10.96.0.0/24', '--endpoint-reconciler-type=none', '--enable-admission-plugins=NodeRestriction',
            '--allow-privileged=true', '--v=0'])
        self.wait('kube-apiserver', lambda: self.call('GET', '/readyz') or True, 240, 'kube-apiserver')

    def start_node(self, images):
        """containerd and the kubelet. images: {name: OCI archive}. The pods' network is the machine's own (hostNetwork)."""
        sock = self.path('containerd.sock')
        with open(self.path('cni', '10-lo.conflist'), 'w') as f:
            f.write('{"cniVersion":"0.4.0","name":"lo","plugins":[{"type":"loopback"}]}')
        conf = self.write('containerd.toml', '''version = 2
root = "%s"
state = "%s"
[grpc]
  address = "%s"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/drtest/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "%s"
''' % (self.path('containerd'), self.path('containerd-state'), sock, self.path('cni')))
        self.spawn('containerd', ['containerd', '-c', conf])
        self.wait('containerd', lambda: os.path.exists(sock) and subprocess.run(
            ['ctr', '-a', sock, 'version'], capture_output=True).returncode == 0, 60, 'containerd')
        for archive in images.values():
            subprocess.run(['ctr', '-a', sock, '-n', 'k8s.io', 'images', 'import', archive], check=True, capture_output=True)
        self.ports['kubelet'] = free_port()
        conf = self.write('kubelet.yaml', {
            'apiVersion': 'kubelet.config.k8s.io/v1beta1', 'kind': 'KubeletConfiguration', 'address': '127.0.0.1', 'port': self.ports['kubelet'],
            'readOnlyPort': 0, 'healthzPort': 0, 'authentication': {'anonymous': {'enabled': False}, 'webhook': {'enabled': False}},
            'authorization': {'mode': 'AlwaysAllow'}, 'cgroupDriver': 'cgroupfs', 'cgroupsPerQOS': False, 'enforceNodeAllocatable': [],
            'failSwapOn': False, 'failCgroupV1': False, 'containerRuntimeEndpoint': 'unix://' + sock, 'imageGCHighThresholdPercent': 100,
            'localStorageCapacityIsolation': False, 'podLogsDir': self.path('pod-logs'), 'volumePluginDir': self.path('plugins'),
            'evictionHard': {'memory.available': '1Mi'}, 'resolvConf': '/etc/resolv.conf', 'syncFrequency': '5s', 'makeIPTablesUtilChains': False})
        self.spawn('kubelet', [self.bin + '/kubelet', '--config=' + conf, '--kubeconfig=' + self.kubeconfig('kubelet'), '--hostname-override=' + self.node,
                               '--node-ip=' + NODE_IP, '--root-dir=' + self.path('kubelet'), '--cert-dir=' + self.path('etc', 'kubelet'), '--v=2'])
        self.wait('the node to be ready', self.node_ready, 180, 'kubelet')

    def node_ready(self):
        node = self.call('GET', '/api/v1/nodes/' + self.node)
        return any(c['type'] == 'Ready' and c['status'] == 'True' for c in node['status'].get('conditions', []))

    def stop(self):
        for name in reversed(list(self.procs)):
            p = self.procs[name]
            if p.poll() is None:
                p.kill()
            p.wait()
