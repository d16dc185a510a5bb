"""OCI archives made from files of this machine, for containerd to import: a program, what ldd says it loads, and what is named beside it. (The project's
Containerfile makes the image that is shipped; its base comes from a registry of images, which a test does without.)"""
import hashlib, io, json, os, re, subprocess, tarfile

def needs(path):
    out = subprocess.run(['ldd', path], capture_output=True, text=True).stdout
    return re.findall(r'(/\S+) \(0x', out)

def layer(files, texts, folders):
    out = io.BytesIO()
    tar = tarfile.open(fileobj=out, mode='w')
    made = set()
    def folder(path, mode=0o755):
        if path and path not in made:
            folder(os.path.dirname(path))
            made.add(path)
            t = tarfile.TarInfo(path)
            t.type, t.mode = tarfile.DIRTYPE, mode
            tar.addfile(t)
    for path in sorted(folders):
        folder(path, 0o1777)
    for path, source in sorted(files.items()):
        folder(os.path.dirname(path))
        t = tarfile.TarInfo(path)
        t.size, t.mode = os.path.getsize(source), os.stat(source).st_mode & 0o755
        with open(source, 'rb') as f:
            tar.addfile(t, f)
    for path, text in sorted(texts.items()):
        folder(os.path.dirname(path))
        t = tarfile.TarInfo(path)
        t.size, t.mode = len(text), 0o644
        tar.addfile(t, io.BytesIO(text.encode()))
    tar.close()
    return out.getvalue()

def archive(out, name, config, files, texts=None, folders=()):
    """files: {path in the image: path here}; programs among them bring their libraries."""
    every = {p.lstrip('/'): os.path.realpath(s) for p, s in files.items()}
    for source in list(every.values()):
        for lib in needs(source):
            every[lib.lstrip('/')] = os.path.realpath(lib)
    blobs = {}
    def blob(kind, data):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {'mediaType': kind, 'digest': 'sha256:' + digest, 'size': len(data)}
    data = layer(every, {p.lstrip('/'): t for p, t in (texts or {}).items()}, folders)
    oci = 'application/vnd.oci.image.'
    tar = blob(oci + 'layer.v1.tar', data)
    conf = blob(oci + 'config.v1+json', json.dumps({'architecture': 'amd64', 'os': 'linux', 'config': config,
                                                    'rootfs': {'type': 'layers', 'diff_ids': [tar['digest']]}}).encode())
    manifest = blob(oci + 'manifest.v1+json', json.dumps({'schemaVersion': 2, 'mediaType': oci + 'manifest.v1+json', 'config': conf, 'layers': [tar]}).encode())
    manifest['annotations'] = {'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name}
    with tarfile.open(out, 'w') as o:
        def add(path, body):
            t = tarfile.TarInfo(path)
            t.size = len(body)
            o.addfile(t, io.BytesIO(body))
        add('oci-layout', b'{"imageLayoutVersion":"1.0.0"}')
        add('index.json', json.dumps({'schemaVersion': 2, 'manifests': [manifest]}).encode())
        for digest, body in blobs.items():
            add('blobs/sha256/' + digest, body)
    return out
